//! Files: read whole, written whole or not at all.

// A save must never leave half a file under the name that the user gave: the content goes to a
// sibling with a name of its own, is forced to the disk, and takes the place in one step. Readers
// see the old file or the new one, and a failure (a full disk, a stop by Ctrl-C that unwinds)
// removes the sibling.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// The largest file that is read into memory as a whole.
const MAX_BYTES: u64 = 2 << 30;

/// The content of a file.
///
/// # Errors
/// [`Error::Io`] when it cannot be read, is a folder, or is larger than 2 GiB (pipes and devices
/// may have no end).
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |error| Error::io("read", path, error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        let reason = "it is a folder; name a file in it";
        return Err(failed(io::Error::new(io::ErrorKind::IsADirectory, reason)));
    }
    let mut bytes = Vec::new();
    let expected = metadata.len().min(MAX_BYTES);
    bytes.try_reserve_exact(usize::try_from(expected).unwrap_or(0)).map_err(|_| {
        failed(io::Error::new(io::ErrorKind::OutOfMemory, "there is no memory for it"))
    })?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        let reason = format!("it is larger than {MAX_BYTES} bytes");
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
    }
    Ok(bytes)
}

/// Writes a file whole or not at all: what stood at `path` stays until the new content is complete
/// and on the disk. Links are followed; permissions of a file that is replaced are kept.
///
/// # Errors
/// [`Error::Io`] when the system refuses any step, with what `write` returned; the temporary
/// sibling is removed then.
pub(crate) fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let failed = |error| Error::io("write", path, error);
    // A link is replaced where it points to, or the target would be left behind.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if target.is_dir() {
        let reason = "it is a folder; name a file in it";
        return Err(failed(io::Error::new(io::ErrorKind::IsADirectory, reason)));
    }
    if target.exists() {
        // What may not be opened may not be replaced either, and a device or a pipe must not be.
        let file = OpenOptions::new().write(true).open(&target).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            let mut out = BufWriter::new(file);
            return write(&mut out).and_then(|()| out.flush()).map_err(failed);
        }
    }
    let (file, temporary) = create_sibling(&target).map_err(failed)?;
    let mut out = BufWriter::with_capacity(1 << 16, file);
    write(&mut out).map_err(failed)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    if let Ok(metadata) = fs::metadata(&target) {
        file.set_permissions(metadata.permissions()).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    drop(file);
    temporary.rename_to(&target).map_err(failed)?;
    sync_folder(&target);
    Ok(())
}

/// A file that is removed when it is dropped before it got its name.
struct Temporary {
    path: PathBuf,
    done: bool,
}

impl Temporary {
    fn rename_to(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.done {
            // Nobody is left to tell when this fails too.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn create_sibling(target: &Path) -> io::Result<(File, Temporary)> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    if target.file_name().is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    }
    loop {
        // Process id and counter keep two savers apart; `create_new` decides when they do not.
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = target.with_file_name(format!(".subtok-{}-{number}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, Temporary { path, done: false })),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// The new name is in the folder, and only the folder's own sync makes it last. Systems that cannot
/// open a folder lose nothing but that.
fn sync_folder(target: &Path) {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for text in ["first", "second"] {
            write_atomically(&path, |out| out.write_all(text.as_bytes())).unwrap();
            assert_eq!(read(&path).unwrap(), text.as_bytes());
        }
        assert_eq!(names(folder.path()), ["a.json"]);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "old").unwrap();
        let error = write_atomically(&path, |out| {
            out.write_all("x".repeat(200_000).as_bytes())?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(error.unwrap_err().to_string().ends_with("a.json: the disk is full"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.json"]);
    }

    #[test]
    fn a_panic_while_writing_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let run = || write_atomically(&path, |_| panic!("stop"));
        assert!(std::panic::catch_unwind(run).is_err());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn folders_and_missing_files_are_errors_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("it is a folder; name a file in it"), "{error}");
        let missing = folder.path().join("no").join("a.json");
        assert!(matches!(read(&missing), Err(Error::Io { action: "read", .. })));
        assert!(matches!(
            write_atomically(&missing, |_| Ok(())),
            Err(Error::Io { action: "write", .. })
        ));
        assert!(matches!(write_atomically(folder.path(), |_| Ok(())), Err(Error::Io { .. })));
        assert!(matches!(write_atomically(Path::new(""), |_| Ok(())), Err(Error::Io { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_permissions_kept() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_atomically(&link, |out| out.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
