//! A folder as kubelet's AtomicWriter keeps one for a ConfigMap or a Secret: the files lie in a
//! folder named after the time, `..data` is a link to it, and what the program opens are links
//! through `..data`. A change is a new folder and one rename.
//!
//! ```text
//! corp.yaml -> ..data/corp.yaml
//! ..data -> ..2026_11_24_09_30_00.17
//! ..2026_11_24_09_30_00.17/corp.yaml
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// A mounted ConfigMap or Secret. Its folder stays when it is dropped.
#[derive(Debug)]
pub(crate) struct Mount {
    pub folder: PathBuf,
    mode: u32,
    files: BTreeMap<String, Vec<u8>>,
    swaps: u32,
}

/// The mode of files of a ConfigMap.
pub(crate) const CONFIG_MAP: u32 = 0o644;
/// The mode of files of a Secret with `defaultMode: 0440`.
pub(crate) const SECRET: u32 = 0o440;

impl Mount {
    /// Mounts an object with these keys at a folder, which is made.
    pub(crate) fn new(folder: &Path, mode: u32, files: &[(&str, &str)]) -> Self {
        fs::create_dir_all(folder).unwrap();
        let mut mount = Self {
            folder: folder.to_owned(),
            mode,
            files: BTreeMap::new(),
            swaps: 0,
        };
        mount.swap(files);
        mount
    }

    /// The object has these keys now, and no others.
    pub(crate) fn swap(&mut self, files: &[(&str, &str)]) {
        let files = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect();
        self.write(files);
    }

    /// One key has this value now; the others keep theirs.
    pub(crate) fn put(&mut self, name: &str, text: &str) {
        let mut files = self.files.clone();
        files.insert(name.to_owned(), text.as_bytes().to_vec());
        self.write(files);
    }

    /// One key is gone.
    pub(crate) fn remove(&mut self, name: &str) {
        let mut files = self.files.clone();
        files.remove(name);
        self.write(files);
    }

    /// The steps and their order are those of `AtomicWriter.Write`.
    fn write(&mut self, files: BTreeMap<String, Vec<u8>>) {
        let data = self.folder.join("..data");
        let old = fs::read_link(&data).ok();
        if old.is_some() && files == self.files {
            return; // kubelet writes nothing either
        }
        self.swaps += 1;
        let new = format!("..2026_11_24_09_30_{:02}.{}", self.swaps % 60, self.swaps);
        let inside = self.folder.join(&new);
        fs::create_dir(&inside).unwrap();
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o755)).unwrap();
        for (name, bytes) in &files {
            let file = inside.join(name);
            fs::write(&file, bytes).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(self.mode)).unwrap();
        }
        let next = self.folder.join("..data_tmp");
        symlink(&new, &next).unwrap();
        fs::rename(&next, &data).unwrap();
        for name in files.keys() {
            let seen = self.folder.join(name);
            if fs::symlink_metadata(&seen).is_err() {
                symlink(Path::new("..data").join(name), &seen).unwrap();
            }
        }
        for name in self.files.keys().filter(|name| !files.contains_key(*name)) {
            fs::remove_file(self.folder.join(name)).unwrap();
        }
        if let Some(old) = old {
            fs::remove_dir_all(self.folder.join(old)).unwrap();
        }
        self.files = files;
    }
}

#[test]
fn a_mount_looks_as_kubelet_makes_it() {
    let folder = super::world::folder();
    let mut mount = Mount::new(&folder, SECRET, &[("a", "1"), ("b", "2")]);
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let inside = || fs::read_link(folder.join("..data")).unwrap();
    let first = inside();
    assert_eq!(read("a").as_deref(), Some("1"));
    assert_eq!(
        fs::read_link(folder.join("b")).unwrap(),
        Path::new("..data/b")
    );
    let mode = fs::metadata(folder.join("a")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, SECRET);
    mount.put("a", "1");
    assert_eq!(inside(), first);
    mount.swap(&[("a", "3"), ("c", "4")]);
    assert_ne!(inside(), first);
    assert!(!folder.join(&first).exists());
    mount.put("c", "5");
    mount.remove("a");
    assert_eq!(
        (read("a"), read("b"), read("c").as_deref()),
        (None, None, Some("5"))
    );
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
    fs::remove_dir_all(&folder).unwrap();
    Mount::new(&folder, CONFIG_MAP, &[("a", "1")]);
    let mode = fs::metadata(folder.join("a")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, CONFIG_MAP);
    fs::remove_dir_all(&folder).unwrap();
}
