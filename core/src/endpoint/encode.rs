/// Encodes a path for signing and sending: unreserved characters (RFC 3986, section 2.3) and `/`
/// stand for themselves, every other byte becomes `%XX` in capitals.
pub fn encode_path(raw: &[u8]) -> String {
    encode(raw, true)
}

/// Encodes a query name or value: as [`encode_path`], but `/` becomes `%2F`.
pub fn encode_query(raw: &[u8]) -> String {
    encode(raw, false)
}

/// Decodes a name out of a listing that was asked for with `encoding-type=url`: both `%20` and `+`
/// are a space, as servers differ. A `%` without two hexadecimal digits stands for itself, since a
/// server that leaves it bare means the byte: this never fails.
pub fn decode_query(text: &str) -> Vec<u8> {
    let mut raw = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => raw.push(b' '),
            b'%' => match escaped(tail) {
                Some((decoded, tail)) => {
                    raw.push(decoded);
                    rest = tail;
                }
                None => raw.push(b'%'),
            },
            plain => raw.push(plain),
        }
    }
    raw
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn escaped(tail: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = tail.split_first_chunk()?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let value = digit(high)? * 16 + digit(low)?;
    Some((u8::try_from(value).ok()?, rest))
}

/// As [`encode_path`], behind what `text` holds.
pub(super) fn push_path(text: &mut String, raw: &[u8]) {
    push(text, raw, true);
}

/// As [`encode_query`], behind what `text` holds.
pub(crate) fn push_query(text: &mut String, raw: &[u8]) {
    push(text, raw, false);
}

fn encode(raw: &[u8], keep_slash: bool) -> String {
    let mut text = String::with_capacity(raw.len() + raw.len() / 4);
    push(&mut text, raw, keep_slash);
    text
}

fn push(text: &mut String, raw: &[u8], keep_slash: bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let is_plain = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || (keep_slash && byte == b'/')
    };
    // Nearly all names and values are plain.
    if let Ok(plain) = core::str::from_utf8(raw)
        && plain.bytes().all(is_plain)
    {
        return text.push_str(plain);
    }
    for &byte in raw {
        if is_plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stand_for_themselves() {
        assert_eq!(encode_path(b"/a/../b c+%\xff~"), "/a/../b%20c%2B%25%FF~");
        assert_eq!(encode_query(b"a/b=&"), "a%2Fb%3D%26");
    }

    #[test]
    fn every_byte_survives_the_round_trip() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode_query(&encode_query(&all)), all);
        assert_eq!(decode_query(&encode_path(&all)), all);
    }

    #[test]
    fn decoding_never_fails() {
        assert_eq!(decode_query("a+b%20c%2Fd%2f"), b"a b c/d/");
        assert_eq!(decode_query("100%"), b"100%");
        assert_eq!(decode_query("%2"), b"%2");
        assert_eq!(decode_query("%zz%%41%+1"), b"%zz%A% 1");
        assert_eq!(decode_query("é"), "é".as_bytes());
    }
}
