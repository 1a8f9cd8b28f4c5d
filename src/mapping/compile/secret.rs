//! Attributes that are secrets by their name: written, never read (decisions, 37).

/// Whether an attribute of that name is a secret whatever a rule says.
pub(crate) fn is_secret(name: &str) -> bool {
    // Most names are shorter or begin with another letter: one look settles them.
    let first = name.bytes().next().map(|b| b.to_ascii_lowercase());
    name.len() >= SHORTEST
        && first.is_some_and(|first| FIRST.contains(&first))
        && SECRETS
            .iter()
            .any(|secret| secret.eq_ignore_ascii_case(name))
}

const SHORTEST: usize = 6;
const FIRST: &[u8] = b"adiklmnopsu";

const SECRETS: [&str; 26] = [
    "password",
    "passwd",
    "userPassword",
    "unicodePwd",
    "dBCSPwd",
    "ntPwdHistory",
    "lmPwdHistory",
    "supplementalCredentials",
    "msDS-ManagedPassword",
    "ms-Mcs-AdmPwd",
    "sambaNTPassword",
    "sambaLMPassword",
    "sambaPasswordHistory",
    "krbPrincipalKey",
    "krbMKey",
    "krbPwdHistory",
    "ipaNTHash",
    "ipatokenOTPkey",
    "pwdHistory",
    "passwordHistory",
    "nsslapd-rootpw",
    "authPassword",
    "olcRootPW",
    "secretKey",
    "passwordHash",
    "password_hash",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_list_is_found_in_any_case() {
        for secret in SECRETS {
            assert!(
                is_secret(secret) && is_secret(&secret.to_uppercase()),
                "{secret}"
            );
        }
        assert!(!is_secret("userName") && !is_secret("passwordless") && !is_secret(""));
    }
}
