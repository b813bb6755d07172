//! The files that the functions are made from, and when they change.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How often the files are looked at.
const PULSE: Duration = Duration::from_millis(300);

/// Some files and folders, with the time of the last change of each file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Sources {
    paths: Vec<PathBuf>,
    changes: BTreeMap<PathBuf, SystemTime>,
}

impl Sources {
    /// These files, and the files in these folders.
    pub(super) fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let paths: Vec<_> = paths.into_iter().collect();
        let mut changes = BTreeMap::new();
        for path in &paths {
            note(path, &mut changes);
        }
        Self { paths, changes }
    }

    /// The same files as they are now.
    pub(super) fn current(&self) -> Self {
        Self::of(self.paths.clone())
    }

    /// Waits until a file has changed and no other change follows at once.
    pub(super) async fn change(&self) {
        let mut seen = self.clone();
        loop {
            tokio::time::sleep(PULSE).await;
            let current = self.current();
            if current != *self && current == seen {
                return;
            }
            seen = current;
        }
    }
}

/// Records when the file was last changed. For a folder, does so for its files, without installed
/// packages and names that begin with a dot. A missing file has no time.
fn note(path: &Path, changes: &mut BTreeMap<PathBuf, SystemTime>) {
    if let Ok(entries) = fs::read_dir(path) {
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name != "node_modules" && !name.to_string_lossy().starts_with('.') {
                note(&entry.path(), changes);
            }
        }
    } else if let Ok(changed) = fs::metadata(path).and_then(|file| file.modified()) {
        changes.insert(path.to_owned(), changed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_new_and_deleted_files_are_noticed_but_not_those_of_packages() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::create_dir_all(file("node_modules")).unwrap();
        fs::create_dir_all(file("source")).unwrap();
        fs::write(file("source/index.py"), "").unwrap();
        let first = Sources::of([folder.path().to_owned()]);
        for ignored in [".cache", "node_modules/index.js"] {
            fs::write(file(ignored), "").unwrap();
        }
        assert_eq!(first.current(), first);
        fs::write(file("source/other.py"), "").unwrap();
        let second = first.current();
        assert_ne!(second, first);
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        fs::File::open(file("source/index.py")).unwrap().set_modified(later).unwrap();
        assert_ne!(second.current(), second);
        fs::remove_file(file("source/other.py")).unwrap();
        assert_ne!(second.current(), second);
    }
}
