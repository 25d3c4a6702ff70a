//! The form of values that are not free: whatever a trace says, they are made by their constructor.

use serde::de::Error as _;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::attempt::{AttemptId, TransferId};
use crate::checksum::{Algorithm, Checksum};
use crate::endpoint::{AddressingStyle, BucketName, Endpoint, ObjectKey, Region};
use crate::endpoint::{decode_query, encode_path};
use crate::etag::ETag;
use crate::metadata::Metadata;
use crate::operation::UploadId;
use crate::part::PartNumber;
use crate::range::ByteRange;
use crate::time::{Instant, UnixTime};

/// `Type as Carrier: how it is shown, how it is made of that`.
macro_rules! carried {
    ($($type:ty as $carrier:ty: $show:expr, $make:expr;)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let show: fn(&Self) -> $carrier = $show;
                show(self).serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let make: fn($carrier) -> Result<Self, String> = $make;
                make(Deserialize::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    )*};
}

carried! {
    Instant as u64: |at| at.as_nanos(), |nanos| Ok(Self::from_nanos(nanos));
    UnixTime as i64: |at| at.as_seconds(), unix_time;
    TransferId as u64: |id| id.0, |id| Ok(Self(id));
    AttemptId as (TransferId, u64): |id| (id.transfer, id.serial),
        |(transfer, serial)| Ok(Self { transfer, serial });
    PartNumber as u16: |number| number.get(),
        |number| Self::new(number).ok_or_else(|| format!("{number} is no part number"));
    ByteRange as (u64, u64): |range| (range.start(), range.end()),
        |(start, end)| Self::new(start, end).ok_or_else(|| format!("{start}..{end} is no range"));
    BucketName as String: |name| name.as_str().into(), |name| told(Self::new(&name));
    ObjectKey as String: |key| encode_path(key.as_bytes()), |key| told(Self::new(decode_query(&key)));
    Region as String: |region| region.as_str().into(), |region| told(Self::new(&region));
    ETag as String: |etag| etag.as_str().into(), |etag| told(Self::new(&etag));
    UploadId as String: |id| id.as_str().into(), |id| told(Self::new(&id));
    Algorithm as String: |algorithm| algorithm.name().into(), |name| algorithm(&name);
    Checksum as String: ToString::to_string, |text| checksum(&text);
    Metadata as Vec<(String, String)>: |metadata| metadata.iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), metadata;
}

fn told<T>(result: Result<T, impl ToString>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

fn unix_time(seconds: i64) -> Result<UnixTime, String> {
    let time = UnixTime::from_seconds(seconds);
    let kept = time.as_seconds() == seconds;
    kept.then_some(time)
        .ok_or_else(|| format!("{seconds} is no time between the years 1970 and 9999"))
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::parse(name).ok_or_else(|| format!("{name} is no algorithm of a checksum"))
}

fn checksum(text: &str) -> Result<Checksum, String> {
    let (name, digest) = text
        .split_once(' ')
        .ok_or_else(|| format!("{text} is no algorithm and digest"))?;
    told(Checksum::from_base64(algorithm(name)?, digest))
}

fn metadata(pairs: Vec<(String, String)>) -> Result<Metadata, String> {
    let mut metadata = Metadata::new();
    for (name, value) in pairs {
        told(metadata.insert(&name, &value))?;
    }
    Ok(metadata)
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Endpoint", 3)?;
        let url = self.is_custom().then(|| self.to_string());
        fields.serialize_field("url", &url)?;
        fields.serialize_field("region", self.region())?;
        fields.serialize_field("style", &self.style())?;
        fields.end()
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            /// None for Amazon's own.
            url: Option<String>,
            region: Region,
            style: AddressingStyle,
        }
        let Fields { url, region, style } = Fields::deserialize(deserializer)?;
        let endpoint = match url {
            Some(url) => Self::custom(&url, region),
            None => Ok(Self::aws(region)),
        };
        endpoint
            .and_then(|endpoint| endpoint.with_style(style))
            .map_err(D::Error::custom)
    }
}

/// Bytes that mean nothing to us, percent-encoded.
pub(crate) mod opaque {
    use http::HeaderValue;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize, Serializer};

    use crate::endpoint::{decode_query, encode_path};

    /// Something made of such bytes.
    pub(crate) trait Opaque: Sized {
        /// How it is carried.
        type Carrier: Serialize + for<'de> serde::Deserialize<'de>;
        fn show(&self) -> Self::Carrier;
        fn make(carrier: Self::Carrier) -> Option<Self>;
    }

    pub(crate) fn serialize<T: Opaque, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.show().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T: Opaque, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let carrier = T::Carrier::deserialize(deserializer)?;
        T::make(carrier).ok_or_else(|| D::Error::custom("bytes that no header field can hold"))
    }

    impl Opaque for Vec<u8> {
        type Carrier = String;

        fn show(&self) -> String {
            encode_path(self)
        }

        fn make(carrier: String) -> Option<Self> {
            Some(decode_query(&carrier))
        }
    }

    impl Opaque for Option<Vec<u8>> {
        type Carrier = Option<String>;

        fn show(&self) -> Self::Carrier {
            self.as_ref().map(Opaque::show)
        }

        fn make(carrier: Self::Carrier) -> Option<Self> {
            Some(carrier.and_then(Opaque::make))
        }
    }

    impl Opaque for Vec<Vec<u8>> {
        type Carrier = Vec<String>;

        fn show(&self) -> Self::Carrier {
            self.iter().map(Opaque::show).collect()
        }

        fn make(carrier: Self::Carrier) -> Option<Self> {
            carrier.into_iter().map(Opaque::make).collect()
        }
    }

    impl Opaque for Option<HeaderValue> {
        type Carrier = Option<String>;

        fn show(&self) -> Self::Carrier {
            self.as_ref().map(|value| encode_path(value.as_bytes()))
        }

        fn make(carrier: Self::Carrier) -> Option<Self> {
            let Some(text) = carrier else {
                return Some(None);
            };
            HeaderValue::from_bytes(&decode_query(&text)).ok().map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use core::fmt::Debug;

    use http::HeaderValue;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::operation::{ListObjectsV2, PutOptions};

    #[track_caller]
    fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, text: &str) {
        assert_eq!(serde_json::to_string(value).unwrap(), text);
        assert_eq!(serde_json::from_str::<T>(text).unwrap(), *value);
    }

    #[track_caller]
    fn refused<T: DeserializeOwned + Debug>(texts: &[&str]) {
        for text in texts {
            let read = serde_json::from_str::<T>(text);
            assert!(read.is_err(), "{text} came to {read:?}");
        }
    }

    #[test]
    fn values_have_short_forms() {
        survives(&Instant::MAX, "18446744073709551615");
        survives(&UnixTime::from_seconds(1_767_225_600), "1767225600");
        survives(&ByteRange::new(3, 5).unwrap(), "[3,5]");
        survives(&PartNumber::new(10_000).unwrap(), "10000");
        survives(&ETag::new("\"e\"").unwrap(), r#""\"e\"""#);
        let checksum = crate::checksum::of(Algorithm::Crc32, b"123456789");
        survives(&checksum, r#""CRC32 y/Q5Jg==""#);
        let endpoint = Endpoint::custom("http://[::1]:9000/base", Region::new("r").unwrap());
        let text = r#"{"url":"http://[::1]:9000/base","region":"r","style":"Auto"}"#;
        survives(&endpoint.unwrap(), text);
        let aws = Endpoint::aws(Region::new("eu-west-1").unwrap());
        let aws = aws.with_style(AddressingStyle::Path).unwrap();
        survives(&aws, r#"{"url":null,"region":"eu-west-1","style":"Path"}"#);
    }

    #[test]
    fn opaque_bytes_survive_whatever_they_are() {
        let all: Vec<u8> = (0..=255).collect();
        survives(
            &ObjectKey::new(&b"a/b c%\xff+"[..]).unwrap(),
            r#""a/b%20c%25%FF%2B""#,
        );
        let list = ListObjectsV2 {
            prefix: all.clone(),
            delimiter: Some(Vec::new()),
            start_after: Some(all),
            ..ListObjectsV2::new(BucketName::new("b").unwrap())
        };
        let text = serde_json::to_string(&list).unwrap();
        assert_eq!(serde_json::from_str::<ListObjectsV2>(&text).unwrap(), list);
        let options = PutOptions {
            content_type: HeaderValue::from_bytes(b"t\xe9\"").ok(),
            metadata: Metadata::new().with("name", "value").unwrap(),
            ..PutOptions::default()
        };
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<PutOptions>(&text).unwrap(), options);
    }

    #[test]
    fn what_a_constructor_refuses_is_refused() {
        refused::<UnixTime>(&["-1", "253402300800", "null"]);
        refused::<ByteRange>(&["[3,3]", "[3]", "[-1,3]"]);
        refused::<PartNumber>(&["0", "10001"]);
        refused::<BucketName>(&[r#""""#, r#""a/b""#]);
        refused::<ObjectKey>(&[r#""""#]);
        refused::<ETag>(&[r#""""#, r#""a b""#]);
        refused::<UploadId>(&[r#""""#]);
        refused::<Algorithm>(&[r#""CRC16""#]);
        refused::<Checksum>(&[r#""CRC32""#, r#""CRC32 AA==""#, r#""SHA256 y/Q5Jg==""#]);
        refused::<Metadata>(&[r#"[["a","1"],["A","2"]]"#, r#"[["a b","1"]]"#]);
        refused::<Endpoint>(&[
            r#"{"url":"ftp://h","region":"r","style":"Auto"}"#,
            r#"{"url":"http://1.2.3.4","region":"r","style":"VirtualHost"}"#,
        ]);
    }
}
