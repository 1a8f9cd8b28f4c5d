//! How many connections the public door may hold: no more than leave files (a connection is one,
//! to the system) for directories, probes and operators. Where strangers could take the last of
//! them, kubelet would hear nothing any more and end us.

/// As many as are wanted, or as many as go into half of what the process may open.
#[expect(
    clippy::disallowed_methods,
    reason = "what the kernel says of this process, not a file of anybody"
)]
pub(super) fn connections(wanted: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let most = within(&limits, wanted);
    if most < wanted {
        tracing::warn!(
            connections = most,
            "limits.connections is lowered to half of the files that this process may open: raise \
             that limit (ulimit -n, LimitNOFILE)"
        );
    }
    most
}

/// The same by the text of `/proc/self/limits`.
fn within(limits: &str, wanted: usize) -> usize {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    // Where nobody says, or all are allowed.
    let files = soft.and_then(|soft| soft.parse::<usize>().ok());
    files.map_or(wanted, |files| wanted.min((files / 2).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_files_are_left_for_others() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(within(limits, 10_000), 512);
        assert_eq!(within(limits, 100), 100);
        let all = "Max open files            unlimited            unlimited            files";
        assert_eq!(within(all, 10_000), 10_000);
        assert_eq!(within("", 10_000), 10_000);
    }
}
