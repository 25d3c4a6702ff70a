//! Decoding of `aws-chunked` bodies with an unsigned trailer.
//!
//! Framing and rules: AWS, "Signature calculations for trailing headers", and the limits of
//! `STREAMING-UNSIGNED-PAYLOAD-TRAILER`. Decoded bytes are slices of what came in.

use bytes::Bytes;

use super::refusal::Refusal;

/// The longest line of framing that is read.
const MAX_LINE: usize = 1_024;

/// A decoded body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) segments: Vec<Bytes>,
    pub(crate) len: u64,
    /// Names in lower case, values trimmed.
    pub(crate) trailer: Vec<(String, String)>,
}

/// Decodes a whole body, of which all chunks but the last hold at least `min_chunk` bytes. Nothing
/// may follow the trailer.
pub(crate) fn decode(segments: &[Bytes], min_chunk: u64) -> Result<Decoded, Refusal> {
    let mut input = Input::new(segments);
    let mut decoded = Decoded {
        segments: Vec::new(),
        len: 0,
        trailer: Vec::new(),
    };
    let mut small = false;
    loop {
        let len = chunk_size(&input.line()?)?;
        if len == 0 {
            break;
        }
        if small {
            return Err(Refusal::new(
                403,
                "InvalidChunkSizeError",
                format!(
                    "Only the last chunk is allowed to have a size less than {min_chunk} bytes"
                ),
            ));
        }
        small = len < min_chunk;
        input.take(len, &mut decoded.segments)?;
        decoded.len += len;
        if !input.line()?.is_empty() {
            return Err(broken("a chunk is longer than its size line says"));
        }
    }
    loop {
        let line = input.line()?;
        if line.is_empty() {
            break;
        }
        decoded.trailer.push(trailer_field(&line)?);
    }
    if input.is_empty() {
        Ok(decoded)
    } else {
        Err(broken("bytes follow the trailer"))
    }
}

/// Hexadecimal digits; a chunk extension (a signature) is not expected in an unsigned body.
fn chunk_size(line: &[u8]) -> Result<u64, Refusal> {
    let digits = std::str::from_utf8(line).map_err(|_| broken("a size line is not text"))?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !plain {
        return Err(broken("a size line is not a hexadecimal number"));
    }
    u64::from_str_radix(digits, 16).map_err(|_| broken("a chunk size does not fit 64 bits"))
}

fn trailer_field(line: &[u8]) -> Result<(String, String), Refusal> {
    let text = std::str::from_utf8(line).map_err(|_| broken("the trailer is not text"))?;
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| broken("a trailer field has no colon"))?;
    Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
}

fn broken(why: &str) -> Refusal {
    Refusal::new(
        400,
        "IncompleteBody",
        format!("The request body terminated unexpectedly: {why}"),
    )
}

/// The rest of the input: lines are copied, data is cut out.
struct Input<'a> {
    segments: &'a [Bytes],
    at: usize,
}

impl<'a> Input<'a> {
    fn new(segments: &'a [Bytes]) -> Self {
        let mut input = Self { segments, at: 0 };
        input.skip_finished();
        input
    }

    fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// A line without its CRLF.
    fn line(&mut self) -> Result<Vec<u8>, Refusal> {
        let mut line = Vec::new();
        while let Some(byte) = self.byte() {
            if byte == b'\n' {
                return match line.pop() {
                    Some(b'\r') => Ok(line),
                    _ => Err(broken("a line of framing ends without CR")),
                };
            }
            line.push(byte);
            if line.len() > MAX_LINE {
                return Err(broken("a line of framing is too long"));
            }
        }
        Err(broken("the framing ends within a line"))
    }

    fn take(&mut self, len: u64, into: &mut Vec<Bytes>) -> Result<(), Refusal> {
        let mut left = len;
        while left > 0 {
            let Some(segment) = self.segments.first() else {
                return Err(broken("a chunk is shorter than its size line says"));
            };
            let here = usize::try_from(left).map_or(segment.len() - self.at, |left| {
                left.min(segment.len() - self.at)
            });
            into.push(segment.slice(self.at..self.at + here));
            self.at += here;
            left -= here as u64;
            self.skip_finished();
        }
        Ok(())
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.segments.first()?.get(self.at)?;
        self.at += 1;
        self.skip_finished();
        Some(byte)
    }

    fn skip_finished(&mut self) {
        while let Some(segment) = self.segments.first()
            && self.at >= segment.len()
        {
            self.segments = &self.segments[1..];
            self.at = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &str) -> Result<Decoded, Refusal> {
        decode(&[Bytes::copy_from_slice(body.as_bytes())], 8_192)
    }

    #[test]
    fn chunks_and_trailer_are_read_at_every_split() {
        let body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
        for at in 0..body.len() {
            let split = [
                Bytes::copy_from_slice(&body[..at]),
                Bytes::copy_from_slice(&body[at..]),
            ];
            let decoded = decode(&split, 8_192).unwrap();
            assert_eq!(decoded.segments.concat(), b"hello");
            assert_eq!(decoded.len, 5);
            assert_eq!(
                decoded.trailer,
                [("x-amz-checksum-crc32".to_owned(), "NhCmhg==".to_owned())]
            );
        }
        assert_eq!(frame("0\r\n\r\n").unwrap().len, 0);
    }

    #[test]
    fn broken_framing_is_refused() {
        for bad in [
            "",
            "5\r\nhello",
            "5\r\nhello\r\n",
            "6\r\nhello\r\n0\r\n\r\n",
            "4\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "5;x=y\r\nhello\r\n0\r\n\r\n",
            "5\nhello\n0\n\n",
            "0\r\n\r\nmore",
            "0\r\nno colon\r\n\r\n",
            "fffffffffffffffff\r\n",
            "5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n",
        ] {
            assert!(frame(bad).is_err(), "{bad:?}");
        }
    }
}
