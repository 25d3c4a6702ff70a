//! The demo's files: made, compared, removed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sans3_core::checksum::{Algorithm, Hasher};
use sans3_core::rng::Rng;

/// Read and written at once.
const CHUNK: usize = 1 << 20;

/// A directory for this run alone, which goes with it.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// # Errors
    /// The system's, and where it was to be.
    pub(crate) fn new(command: &str) -> Result<Self, (PathBuf, io::Error)> {
        let name = format!(
            "sans3-{command}-{}-{:08x}",
            std::process::id(),
            super::random() >> 32
        );
        let path = std::env::temp_dir().join(name);
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err((path, error)),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing can be done about what stays, and the system empties this place by and by.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A digest in hexadecimal.
#[derive(Debug)]
pub(super) struct Sha256Text(pub(super) String);

/// Writes `len` pseudo-random bytes that follow from the seed.
pub(super) async fn make(path: PathBuf, len: u64, seed: u64) -> io::Result<()> {
    blocking(move || {
        let mut file = BufWriter::with_capacity(CHUNK, File::create_new(path)?);
        let mut rng = Rng::new(seed);
        let mut left = len;
        while left > 0 {
            let word = rng.next_u64().to_le_bytes();
            let take = usize::try_from(left).unwrap_or(word.len()).min(word.len());
            file.write_all(&word[..take])?;
            left -= take as u64;
        }
        file.into_inner()
            .map(drop)
            .map_err(io::IntoInnerError::into_error)
    })
    .await
}

/// Compares two files byte for byte: the SHA-256 of both, or the offset of the first difference.
pub(super) async fn compare(one: PathBuf, other: PathBuf) -> io::Result<Result<Sha256Text, u64>> {
    blocking(move || compare_now(&one, &other)).await
}

fn compare_now(one: &Path, other: &Path) -> io::Result<Result<Sha256Text, u64>> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut ours, mut theirs) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut at = 0_u64;
    loop {
        let (a, b) = (fill(&mut one, &mut ours)?, fill(&mut other, &mut theirs)?);
        let (a, b) = (&ours[..a], &theirs[..b]);
        if a != b {
            let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
            return Ok(Err(at + same as u64));
        }
        if a.is_empty() {
            let digest = hasher.finish().digest;
            let hex = digest
                .as_bytes()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            return Ok(Ok(Sha256Text(hex)));
        }
        hasher.update(a);
        at += a.len() as u64;
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

/// The most memory that this process ever had, where the system tells (Linux, proc(5)).
pub(crate) fn peak_rss() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_compared_to_the_byte() {
        let scratch = Scratch::new("demo").unwrap();
        let [one, same, short, other] = ["a", "b", "c", "d"].map(|name| scratch.path(name));
        let len = CHUNK as u64 + 5;
        make(one.clone(), len, 7).await.unwrap();
        make(same.clone(), len, 7).await.unwrap();
        make(short.clone(), len - 1, 7).await.unwrap();
        make(other.clone(), len, 8).await.unwrap();
        let Sha256Text(hex) = compare(one.clone(), same).await.unwrap().unwrap();
        assert_eq!(hex.len(), 64);
        assert_eq!(
            compare(one.clone(), short).await.unwrap().unwrap_err(),
            len - 1
        );
        assert!(compare(one, other).await.unwrap().is_err());
        let path = scratch.0.clone();
        drop(scratch);
        assert!(!path.exists());
    }
}
