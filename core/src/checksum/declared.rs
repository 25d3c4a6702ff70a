use http::{HeaderMap, HeaderValue};

use super::composite::{self, CompositeChecksum};
use super::value::{Algorithm, Checksum};
use crate::error::{Rule, Violation};

/// What the head of an answer declares about the object's checksum (S3 API reference, HeadObject:
/// `x-amz-checksum-*` and `x-amz-checksum-type`).
///
/// Only [`best`](Self::best) proves anything. A composite can't be compared with ranges that were
/// cut elsewhere, an unknown algorithm can't be computed, and malformed text is a fault of the
/// server's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Declared {
    /// Checksums over the object's full content, at most one per algorithm.
    pub full_object: Vec<Checksum>,
    /// Checksums over the checksums of parts, at most one per algorithm.
    pub composite: Vec<CompositeChecksum>,
    /// Names of algorithms that this crate does not verify by, or knows but not of this checksum
    /// type (`CRC32 of type TREE`). No fault: S3 grows.
    pub unknown: Vec<String>,
    /// What could not be read: wrong base64, wrong length, two different values, or a form that
    /// contradicts the checksum type.
    pub malformed: Vec<Violation>,
}

/// The algorithms that an object is verified by, in order: the widest CRC; the one that most
/// processors have an instruction for; the last CRC; and SHA-256, which costs many times as much.
/// MD5 is missing: `Content-MD5` is about the body of an answer, which may be a range.
const PREFERENCE: [Algorithm; 4] = [
    Algorithm::Crc64Nvme,
    Algorithm::Crc32c,
    Algorithm::Crc32,
    Algorithm::Sha256,
];

const PREFIX: &str = "x-amz-checksum-";
const TYPE: &str = "x-amz-checksum-type";

/// What else starts like the header of a checksum.
const NOT_CHECKSUMS: [&str; 3] = [TYPE, "x-amz-checksum-algorithm", "x-amz-checksum-mode"];

/// The headers of an answer that are about checksums, with all their values.
type Fields<'a> = Vec<(&'a str, &'a HeaderValue)>;

impl Declared {
    /// Reads the headers of an answer.
    ///
    /// The form of a value follows from `x-amz-checksum-type`, or without one from its text: `-N`
    /// makes a composite. A type that is not known makes every value unknown.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let fields: Fields<'_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        let mut declared = Self {
            unknown: unknown_algorithms(&fields),
            ..Self::default()
        };
        let form = match Form::of(&fields) {
            Ok(form) => form,
            Err(fault) => {
                declared.malformed.push(fault);
                return declared;
            }
        };
        for algorithm in PREFERENCE {
            match only_value(&fields, algorithm.header_text()) {
                Ok(Some(value)) => declared.take(algorithm, &form, value.as_bytes()),
                Ok(None) => {}
                Err(fault) => declared.malformed.push(fault),
            }
        }
        declared
    }

    /// The checksum to verify the whole object by; `None` where nothing that was declared can
    /// verify it.
    pub fn best(&self) -> Option<Checksum> {
        let of = |algorithm| {
            let mut found = self.full_object.iter();
            found.find(|checksum| checksum.algorithm == algorithm)
        };
        PREFERENCE.into_iter().find_map(of).copied()
    }

    fn take(&mut self, algorithm: Algorithm, form: &Form, value: &[u8]) {
        let whole = match form {
            Form::FullObject => true,
            Form::Composite => false,
            Form::Unstated => composite::split(value).is_none(),
            Form::Unknown(name) => {
                self.unknown.push(format!("{algorithm} of type {name}"));
                return;
            }
        };
        let fault = if whole {
            Checksum::from_header(algorithm, value)
                .map(|checksum| self.full_object.push(checksum))
                .err()
        } else {
            CompositeChecksum::from_header(algorithm, value)
                .map(|checksum| self.composite.push(checksum))
                .err()
        };
        self.malformed.extend(fault);
    }
}

/// What the checksums of an answer are taken over.
enum Form {
    FullObject,
    Composite,
    Unstated,
    Unknown(String),
}

impl Form {
    fn of(fields: &Fields<'_>) -> Result<Self, Violation> {
        let Some(value) = only_value(fields, TYPE)? else {
            return Ok(Self::Unstated);
        };
        Ok(match value.as_bytes() {
            b"FULL_OBJECT" => Self::FullObject,
            b"COMPOSITE" => Self::Composite,
            other => Self::Unknown(crate::error::excerpt(other)),
        })
    }
}

/// The value of a header. A proxy may repeat it, but not change it.
fn only_value<'a>(fields: &Fields<'a>, name: &str) -> Result<Option<&'a HeaderValue>, Violation> {
    let mut values = fields
        .iter()
        .filter_map(|&(field, value)| (field == name).then_some(value));
    let first = values.next();
    if values.any(|other| Some(other) != first) {
        let expected = format!("one value of {name}");
        let seen = "several that differ";
        return Err(Violation::new(Rule::ChecksumFormat, expected, seen));
    }
    Ok(first)
}

fn unknown_algorithms(fields: &Fields<'_>) -> Vec<String> {
    let is_known = |name: &str| {
        let mut known = PREFERENCE.into_iter().map(Algorithm::header_text);
        NOT_CHECKSUMS.contains(&name) || known.any(|known| known == name)
    };
    let mut names: Vec<String> = fields
        .iter()
        .filter(|(name, _)| !is_known(name))
        .map(|(name, _)| name[PREFIX.len()..].to_ascii_uppercase())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::checksum::of;

    const CRC32: (&str, &str) = ("x-amz-checksum-crc32", "y/Q5Jg==");
    const CRC32C: (&str, &str) = ("x-amz-checksum-crc32c", "4waSgw==");
    const NVME: (&str, &str) = ("x-amz-checksum-crc64nvme", "rosUhgp5mIg=");
    const COMPOSITE: (&str, &str) = ("x-amz-checksum-crc32", "y/Q5Jg==-3");

    fn declared(headers: &[(&'static str, &str)]) -> Declared {
        let pairs = headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            (HeaderName::from_static(name), value)
        });
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, value);
        }
        Declared::from_headers(&map)
    }

    fn nothing_verified(headers: &[(&'static str, &str)]) -> Declared {
        let declared = declared(headers);
        assert_eq!(declared.best(), None, "{headers:?}");
        assert!(declared.full_object.is_empty(), "{headers:?}");
        declared
    }

    #[test]
    fn the_strongest_full_object_checksum_is_the_best() {
        let best = |headers: &[_]| declared(headers).best().map(|best| best.algorithm);
        assert_eq!(best(&[CRC32, CRC32C, NVME]), Some(Algorithm::Crc64Nvme));
        assert_eq!(best(&[CRC32, CRC32C]), Some(Algorithm::Crc32c));
        assert_eq!(best(&[CRC32]), Some(Algorithm::Crc32));
        assert_eq!(best(&[(TYPE, "FULL_OBJECT")]), None);
        assert_eq!(declared(&[]), Declared::default());
        let nvme = declared(&[(TYPE, "FULL_OBJECT"), NVME]).best();
        assert_eq!(nvme, Some(of(Algorithm::Crc64Nvme, b"123456789")));
    }

    #[test]
    fn a_value_that_a_proxy_repeats_counts_once() {
        let twice = declared(&[NVME, NVME, (TYPE, "FULL_OBJECT"), (TYPE, "FULL_OBJECT")]);
        assert_eq!(twice.full_object.len(), 1);
        assert_eq!(twice.malformed, []);
    }

    #[test]
    fn adversary_17_a_composite_checksum_verifies_nothing() {
        for headers in [&[COMPOSITE][..], &[COMPOSITE, (TYPE, "COMPOSITE")]] {
            let declared = nothing_verified(headers);
            assert_eq!(declared.composite.len(), 1);
            assert_eq!(declared.composite[0].parts.get(), 3);
            assert_eq!(declared.malformed, []);
        }
    }

    #[test]
    fn adversary_17_a_full_object_checksum_beside_a_composite_one_is_taken() {
        let both = declared(&[COMPOSITE, NVME]);
        assert_eq!(both.best().unwrap().algorithm, Algorithm::Crc64Nvme);
    }

    #[test]
    fn adversary_17_a_form_that_contradicts_the_type_is_malformed() {
        for headers in [
            [COMPOSITE, (TYPE, "FULL_OBJECT")],
            [CRC32, (TYPE, "COMPOSITE")],
        ] {
            let declared = nothing_verified(&headers);
            assert_eq!(declared.composite, []);
            assert_eq!(declared.malformed.len(), 1, "{headers:?}");
        }
    }

    #[test]
    fn adversary_18_unknown_algorithms_are_named_and_no_fault() {
        let declared = nothing_verified(&[
            ("x-amz-checksum-xxhash64", "anything"),
            ("x-amz-checksum-sha512", ""),
            ("x-amz-checksum-md5", "kAFQmDzST7DWlj99KOF/cg=="),
            ("x-amz-checksum-algorithm", "CRC32"),
            ("x-amz-checksum-mode", "ENABLED"),
            ("content-md5", "kAFQmDzST7DWlj99KOF/cg=="),
        ]);
        assert_eq!(declared.unknown, ["MD5", "SHA512", "XXHASH64"]);
        assert_eq!(declared.malformed, []);
    }

    #[test]
    fn adversary_18_an_unknown_type_makes_the_value_unknown() {
        let declared = nothing_verified(&[CRC32, (TYPE, "TREE")]);
        assert_eq!(declared.unknown, ["CRC32 of type TREE"]);
        assert_eq!(declared.malformed, []);
    }

    #[test]
    fn adversary_18_malformed_values_are_faults_and_never_verified() {
        for bad in ["", "y/Q5Jg", "y/Q5Jh==", "rosUhgp5mIg=", "é", "y/Q5Jg==-x"] {
            let declared = nothing_verified(&[("x-amz-checksum-crc32", bad)]);
            assert_eq!(declared.malformed.len(), 1, "{bad}");
            assert_eq!(declared.composite, []);
        }
    }

    #[test]
    fn adversary_18_one_malformed_value_does_not_hide_a_good_one() {
        let declared = declared(&[("x-amz-checksum-crc64nvme", "!"), CRC32]);
        assert_eq!(declared.best().unwrap().algorithm, Algorithm::Crc32);
        assert_eq!(declared.malformed.len(), 1);
    }

    #[test]
    fn adversary_18_different_values_of_one_header_are_malformed() {
        let twice = nothing_verified(&[CRC32, ("x-amz-checksum-crc32", "AAAAAA==")]);
        assert_eq!(twice.malformed.len(), 1);
        let types = nothing_verified(&[CRC32, (TYPE, "FULL_OBJECT"), (TYPE, "COMPOSITE")]);
        assert_eq!(types.malformed.len(), 1);
    }
}
