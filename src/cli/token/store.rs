//! A file replaced as a whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use crate::config::read::read;

/// Puts a new text in the place of an old one: a temporary file beside it, flushed to the disk,
/// with the same owner and permissions, renamed over it. A file that is no longer what was read
/// is left alone. A symbolic link keeps pointing where it points.
///
/// # Errors
/// What the system says, or that somebody else has changed the file.
pub(super) fn replace(path: &Path, old: &str, new: &str) -> io::Result<()> {
    let target = fs::canonicalize(path)?;
    let folder = target.parent().unwrap_or(Path::new("/"));
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let result = write(&temporary, &target, new).and_then(|()| {
        let now = read(&target, "").map_err(|_| io::Error::other("it cannot be read again"))?;
        if *now.text != *old {
            let message = "somebody else has changed it meanwhile: try again";
            return Err(io::Error::other(message));
        }
        fs::rename(&temporary, &target)
    });
    if let Err(error) = result {
        // What cannot be removed either is named after us; there is nothing more to do.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The rename itself is on the disk only when the folder is; not every file system can say.
    File::open(folder)?
        .sync_all()
        .or_else(|error| match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::Unsupported => Ok(()),
            _ => Err(error),
        })
}

fn write(temporary: &Path, target: &Path, text: &str) -> io::Result<()> {
    let wanted = fs::metadata(target)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    let found = file.metadata()?;
    if (found.uid(), found.gid()) != (wanted.uid(), wanted.gid()) {
        fchown(&file, Some(wanted.uid()), Some(wanted.gid()))?;
    }
    file.set_permissions(wanted.permissions())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::tests::Folder;
    use super::*;

    fn text(path: &Path) -> String {
        read(path, "").unwrap().text.to_string()
    }

    #[test]
    fn permissions_and_links_are_kept() {
        let folder = Folder::new("store-keeps");
        let (file, link) = (folder.path("real.yaml"), folder.path("access.yaml"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real.yaml", &link).unwrap();
        replace(&link, "old", "new").unwrap();
        assert_eq!(text(&file), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        assert_eq!(folder.names(), ["access.yaml", "real.yaml"]);
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_left_alone() {
        let folder = Folder::new("store-changed");
        let file = folder.path("access.yaml");
        fs::write(&file, "other").unwrap();
        let error = replace(&file, "old", "new").unwrap_err();
        assert!(error.to_string().contains("somebody else"), "{error}");
        assert_eq!(text(&file), "other");
        assert_eq!(folder.names(), ["access.yaml"]);
        assert!(replace(&folder.path("none.yaml"), "", "").is_err());
    }
}
