//! What SOURCE and TARGET of a copy mean.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use sans3_core::endpoint::{BucketName, ObjectKey, S3Uri};

use crate::exit::Failure;
use crate::output::plain_bytes;

/// One end of a copy, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// `-`
    Stdio,
    /// `s3://…`
    S3(S3Uri),
    /// Anything else.
    Local(PathBuf),
}

/// A copy that can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Copy {
    /// To S3.
    Up { source: Local, object: Object },
    /// From S3.
    Down { object: Object, target: Local },
}

/// The local end of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    /// stdin or stdout.
    Stdio,
    /// A file; for a target, with its name.
    File(PathBuf),
}

/// An object's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) bucket: BucketName,
    pub(crate) key: ObjectKey,
}

impl Object {
    /// `s3://bucket/key`, safe to print.
    pub(crate) fn uri(&self) -> String {
        s3_uri(&self.bucket, self.key.as_bytes())
    }
}

/// `s3://bucket/key`, safe to print and, where it is text, good to copy.
pub(crate) fn s3_uri(bucket: &BucketName, key: &[u8]) -> String {
    format!("s3://{bucket}/{}", plain_bytes(key))
}

impl Copy {
    /// Makes sense of SOURCE and TARGET. Looks whether the target is a directory, and at nothing
    /// else.
    ///
    /// # Errors
    /// Usage: which of the two has to be written otherwise, and how.
    pub(crate) fn new(source: &OsStr, target: &OsStr) -> Result<Self, Failure> {
        match (Operand::parse(source)?, Operand::parse(target)?) {
            (Operand::S3(_), Operand::S3(_)) => {
                Err(Failure::usage("copies from S3 to S3 are not supported yet")
                    .with_advice("copy to a file or to - first, and from there to S3"))
            }
            (Operand::S3(uri), target) => {
                let object = whole_object(&uri, "the source")?;
                let target = local_target(target, &object)?;
                Ok(Self::Down { object, target })
            }
            (source, Operand::S3(uri)) => {
                let source = match source {
                    Operand::Local(path) => Local::File(path),
                    _ => Local::Stdio,
                };
                let object = remote_target(uri, &source)?;
                Ok(Self::Up { source, object })
            }
            _ => Err(
                Failure::usage("expected one of SOURCE and TARGET in S3, got none")
                    .with_advice("write it as s3://BUCKET/KEY"),
            ),
        }
    }
}

impl Operand {
    fn parse(text: &OsStr) -> Result<Self, Failure> {
        let bytes = text.as_encoded_bytes();
        if bytes == b"-" {
            return Ok(Self::Stdio);
        }
        if bytes.is_empty() {
            return Err(Failure::usage(
                "expected a file, s3://BUCKET/KEY or -, got nothing",
            ));
        }
        if bytes.starts_with(b"s3://") {
            return parse_uri(text).map(Self::S3);
        }
        // Nobody means a directory called "https:" by this.
        let scheme = bytes.windows(3).position(|window| window == b"://");
        let is_url =
            scheme.is_some_and(|at| at > 0 && bytes[..at].iter().all(u8::is_ascii_alphanumeric));
        if is_url {
            let seen = plain_bytes(bytes);
            return Err(
                Failure::usage(format!("expected s3://BUCKET/KEY, got {seen}")).with_advice(
                    "write ./ before it if it is a file; name a server by --endpoint-url",
                ),
            );
        }
        Ok(Self::Local(PathBuf::from(text)))
    }
}

/// Reads an `s3://` address.
///
/// # Errors
/// Usage: what is wrong with it.
pub(crate) fn parse_uri(text: &OsStr) -> Result<S3Uri, Failure> {
    S3Uri::parse(text.as_encoded_bytes()).map_err(|error| Failure::usage(error.to_string()))
}

/// The object that an address names; `what` it is to be used as.
///
/// # Errors
/// Usage: the address names a bucket.
pub(crate) fn whole_object(uri: &S3Uri, what: &str) -> Result<Object, Failure> {
    let key = uri.object().ok_or_else(|| {
        let seen = s3_uri(&uri.bucket, &uri.key);
        Failure::usage(format!(
            "expected an object, s3://BUCKET/KEY, as {what}, got {seen}"
        ))
        .with_advice(format!(
            "see what is there with `sans3 ls s3://{}`",
            uri.bucket
        ))
    })?;
    Ok(Object {
        bucket: uri.bucket.clone(),
        key,
    })
}

/// Where an upload goes: a prefix takes the file's own name.
fn remote_target(uri: S3Uri, source: &Local) -> Result<Object, Failure> {
    let S3Uri { bucket, mut key } = uri;
    if key.is_empty() || key.ends_with(b"/") {
        let name = match source {
            Local::File(path) => path.file_name().map(OsStr::as_encoded_bytes),
            Local::Stdio => None,
        };
        let Some(name) = name else {
            let seen = s3_uri(&bucket, &key);
            return Err(
                Failure::usage(format!("expected a whole key as the target, got {seen}"))
                    .with_advice("the source has no name of its own: write s3://BUCKET/KEY"),
            );
        };
        key.extend_from_slice(name);
    }
    let key = ObjectKey::new(key).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Object { bucket, key })
}

/// Where a download goes: a directory takes the last component of the key.
fn local_target(target: Operand, object: &Object) -> Result<Local, Failure> {
    let path = match target {
        Operand::Local(path) => path,
        _ => return Ok(Local::Stdio),
    };
    let named_directory = path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir();
    if !named_directory {
        return Ok(Local::File(path));
    }
    if !path.is_dir() {
        let seen = path.display();
        return Err(
            Failure::usage(format!("expected a directory at {seen}, got none"))
                .with_advice("make it, or leave out the / at its end"),
        );
    }
    let name = safe_name(object.key.as_bytes()).ok_or_else(|| {
        let seen = object.uri();
        Failure::usage(format!(
            "expected a key that ends in a file name, got {seen}"
        ))
        .with_advice("name the target file")
    })?;
    Ok(Local::File(path.join(name)))
}

/// The last component of a key, where it can be nothing but the name of a file in a directory.
fn safe_name(key: &[u8]) -> Option<PathBuf> {
    let name = key.rsplit(|byte| *byte == b'/').next()?;
    let name = file_name(name)?;
    let path = Path::new(&name);
    // Drives, `..` and, on Windows, backslashes make more than one plain component.
    let is_plain = path.file_name() == Some(&name) && !name.as_encoded_bytes().contains(&0);
    is_plain.then(|| path.to_owned())
}

#[cfg(unix)]
fn file_name(bytes: &[u8]) -> Option<OsString> {
    use std::os::unix::ffi::OsStrExt as _;
    Some(OsStr::from_bytes(bytes).to_owned())
}

#[cfg(not(unix))]
fn file_name(bytes: &[u8]) -> Option<OsString> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_portable = !text.contains(['\\', ':', '*', '?', '"', '<', '>', '|'])
        && !text.chars().any(char::is_control);
    is_portable.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(source: &str, target: &str) -> Result<Copy, String> {
        Copy::new(OsStr::new(source), OsStr::new(target)).map_err(|failure| failure.message)
    }

    fn key_of(source: &str, target: &str) -> String {
        match copy(source, target) {
            Ok(Copy::Up { object, .. } | Copy::Down { object, .. }) => object.uri(),
            Err(message) => message,
        }
    }

    #[test]
    fn a_prefix_takes_the_name_of_the_file() {
        assert_eq!(key_of("a/b.txt", "s3://bucket"), "s3://bucket/b.txt");
        assert_eq!(key_of("a/b.txt", "s3://bucket/"), "s3://bucket/b.txt");
        assert_eq!(key_of("a/b.txt", "s3://bucket/x/"), "s3://bucket/x/b.txt");
        assert_eq!(key_of("a/b.txt", "s3://bucket/x"), "s3://bucket/x");
        assert_eq!(key_of("-", "s3://bucket/x"), "s3://bucket/x");
        assert!(
            copy("-", "s3://bucket/x/")
                .unwrap_err()
                .contains("whole key")
        );
        assert!(
            copy("..", "s3://bucket/x/")
                .unwrap_err()
                .contains("whole key")
        );
    }

    #[test]
    fn what_can_not_be_copied_is_refused() {
        for (source, target, wanted) in [
            ("s3://a/x", "s3://b/y", "not supported yet"),
            ("x", "y", "in S3"),
            ("-", "-", "in S3"),
            ("", "s3://b/y", "got nothing"),
            ("https://b/y", "s3://b/y", "s3://BUCKET/KEY"),
            ("s3://", "y", "bucket name"),
            ("s3://b", "y", "expected an object"),
            ("s3://b/", "y", "expected an object"),
            ("s3://b/x", "/no/such/directory/", "expected a directory"),
        ] {
            let message = copy(source, target).unwrap_err();
            assert!(message.contains(wanted), "{source} {target}: {message}");
        }
    }

    #[test]
    fn adversary_70_a_directory_takes_plain_names_alone() {
        let directory = std::env::temp_dir();
        let directory = directory.to_str().unwrap();
        for key in ["..", ".", "a/..", "a/.", "a/", "a/\0"] {
            let result = copy(&format!("s3://b/{key}"), directory);
            assert!(result.unwrap_err().contains("file name"), "{key:?}");
        }
        let Ok(Copy::Down { target, .. }) = copy("s3://b/../../etc/pass..wd", directory) else {
            panic!("a plain last component is fine");
        };
        assert_eq!(target, Local::File(Path::new(directory).join("pass..wd")));

        // Whatever stands before the last slash does not count, and what has a meaning elsewhere has
        // none here.
        #[cfg(unix)]
        for (key, name) in [
            ("../x", "x"),
            ("a/../../x", "x"),
            ("/etc/passwd", "passwd"),
            ("a//b", "b"),
            ("a/./b", "b"),
            ("C:\\x", "C:\\x"),
            ("\\\\host\\x", "\\\\host\\x"),
            ("a\\..\\b", "a\\..\\b"),
            ("x:ads", "x:ads"),
            ("CON", "CON"),
            ("a.", "a."),
        ] {
            let Ok(Copy::Down { target, .. }) = copy(&format!("s3://b/{key}"), directory) else {
                panic!("{key} ends in a file name");
            };
            assert_eq!(
                target,
                Local::File(Path::new(directory).join(name)),
                "{key}"
            );
        }
    }
}
