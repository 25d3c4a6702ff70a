//! Percent-encoding, as S3 reads and writes it.

/// Decodes `%XX`; `None` where a `%` is not followed by two hexadecimal digits.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    decode_with(text, |byte| byte)
}

/// As [`decode`], with `+` for a space: the form of queries.
pub(crate) fn decode_query(text: &[u8]) -> Option<Vec<u8>> {
    decode_with(text, |byte| if byte == b'+' { b' ' } else { byte })
}

fn decode_with(text: &[u8], plain: impl Fn(u8) -> u8) -> Option<Vec<u8>> {
    if text
        .iter()
        .all(|byte| *byte != b'%' && plain(*byte) == *byte)
    {
        return Some(text.to_vec());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(plain(*first));
            continue;
        }
        let [high, low, tail @ ..] = tail else {
            return None;
        };
        bytes.push(nibble(*high)? << 4 | nibble(*low)?);
        rest = tail;
    }
    Some(bytes)
}

/// Encodes everything but RFC 3986's unreserved characters and those in `keep`.
pub(crate) fn encode(bytes: &[u8], keep: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || keep.contains(byte);
        if plain {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// The value of a hexadecimal digit.
pub(crate) fn nibble(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_strict_and_encoding_total() {
        assert_eq!(decode(b"a%2Fb%20+").as_deref(), Some(&b"a/b +"[..]));
        assert_eq!(decode_query(b"a+b%2B").as_deref(), Some(&b"a b+"[..]));
        for bad in [&b"%"[..], b"%2", b"%zz", b"a%+1"] {
            assert_eq!(decode(bad), None);
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(encode(&all, b"/").as_bytes()), Some(all));
    }
}
