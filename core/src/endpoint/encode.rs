/// Encodes a path for signing and sending: unreserved characters (RFC 3986, section 2.3) and `/`
/// stand for themselves, every other byte becomes `%XX` in capitals.
pub fn encode_path(raw: &[u8]) -> String {
    encode(raw, true)
}

/// Encodes a query name or value: as [`encode_path`], but `/` becomes `%2F`.
pub fn encode_query(raw: &[u8]) -> String {
    encode(raw, false)
}

fn encode(raw: &[u8], keep_slash: bool) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = String::with_capacity(raw.len() + raw.len() / 4);
    for &byte in raw {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || (keep_slash && byte == b'/');
        if plain {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    text
}
