//! The floor: the same requests over bare sockets, neither signed nor checked. A thread for each
//! connection, and one buffer for each thread.

use std::env;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use sans3_runtime::Pages;

use crate::Failure;
use crate::job::{AT_ONCE, BUCKET, PART, SMALL};

/// Bytes of the buffer: what a thread's share of the cache holds.
const BUFFER: usize = 256 * 1024;

/// Carries out the job that the variables tell.
pub(crate) fn run() -> Result<(), Failure> {
    let var = |name: &str| env::var(name).map_err(|_| format!("the variable {name} is not set"));
    let address = var("ENDPOINT")?.replace("http://", "");
    let path = format!("/{BUCKET}/{}", var("KEY")?);
    let file = PathBuf::from(var("FILE")?);
    let (size, count) = (var("SIZE")?.parse()?, var("COUNT")?.parse()?);
    let parts = move |number: u64| (number * PART, PART.min(size - number * PART));
    match var("OP")?.as_str() {
        "get" => {
            let target = (!file.as_os_str().is_empty()).then(|| File::create(&file));
            let target = target.transpose()?;
            if let Some(target) = &target {
                target.set_len(size)?;
            }
            spread(&address, size.div_ceil(PART), |connection, number| {
                connection.get(&path, Some(parts(number)), target.as_ref())
            })
        }
        "getmany" => spread(&address, count, |connection, number| {
            let target = File::create(file.join(format!("{number:06}")))?;
            connection.get(&format!("{path}/{number:06}"), None, Some(&target))
        }),
        "put" => put_in_parts(&address, &path, &File::open(&file)?, size),
        "putmany" => spread(&address, count, |connection, number| {
            let source = File::open(file.join(format!("{number:06}")))?;
            let path = format!("{path}/{number:06}");
            connection.put(&path, &source, 0, SMALL).map(drop)
        }),
        other => Err(format!("OP: {other:?} is not known").into()),
    }
}

fn put_in_parts(address: &str, path: &str, source: &File, size: u64) -> Result<(), Failure> {
    let count = size.div_ceil(PART);
    let mut control = Connection::open(address)?;
    let created = control.post(&format!("{path}?uploads"), "")?;
    let id = between(&created, "<UploadId>", "</UploadId>").ok_or("no upload id")?;
    let tags = Mutex::new(vec![String::new(); usize::try_from(count)?]);
    spread(address, count, |connection, number| {
        let (at, len) = (number * PART, PART.min(size - number * PART));
        let path = format!("{path}?partNumber={}&uploadId={id}", number + 1);
        let tag = connection.put(&path, source, at, len)?;
        tags.lock().expect("no panic")[usize::try_from(number)?] = tag;
        Ok(())
    })?;
    let tags = tags.into_inner().expect("no panic");
    let part = |(number, tag): (usize, &String)| {
        let number = number + 1;
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>")
    };
    let parts: String = tags.iter().enumerate().map(part).collect();
    let list = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let completed = control.post(&format!("{path}?uploadId={id}"), &list)?;
    between(&completed, "<ETag>", "</ETag>").ok_or("the upload was not completed")?;
    Ok(())
}

/// Does `work` for each number below `count`, on as many connections as are usual.
fn spread(
    address: &str,
    count: u64,
    work: impl Fn(&mut Connection, u64) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let next = AtomicU64::new(0);
    let worker = || {
        let mut connection = Connection::open(address)?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(());
            }
            work(&mut connection, number)?;
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE.min(count))
            .map(|_| scope.spawn(worker))
            .collect();
        let panicked = |_| Err("a thread panicked".into());
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(panicked))
    })
}

struct Connection {
    stream: TcpStream,
    buffer: Pages,
}

/// The head of an answer, and where the beginning of its body lies in the buffer.
struct Answer {
    len: u64,
    tag: String,
    body: std::ops::Range<usize>,
}

impl Connection {
    fn open(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let buffer = Pages::new(BUFFER);
        Ok(Self { stream, buffer })
    }

    fn get(
        &mut self,
        path: &str,
        part: Option<(u64, u64)>,
        target: Option<&File>,
    ) -> Result<(), Failure> {
        let range = part.map_or(String::new(), |(at, len)| {
            format!("range: bytes={at}-{}\r\n", at + len - 1)
        });
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{range}\r\n");
        self.stream.write_all(head.as_bytes())?;
        let answer = self.answer()?;
        let mut at = part.map_or(0, |(at, _)| at);
        let mut left = answer.len;
        let mut piece = answer.body;
        loop {
            if let Some(target) = target {
                target.write_all_at(&self.buffer[piece.clone()], at)?;
            }
            at += piece.len() as u64;
            left -= piece.len() as u64;
            if left == 0 {
                return Ok(());
            }
            let most = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            piece = 0..self.stream.read(&mut self.buffer[..most])?;
            if piece.is_empty() {
                return Err("the server closed the connection".into());
            }
        }
    }

    /// Returns the ETag.
    fn put(&mut self, path: &str, source: &File, at: u64, len: u64) -> Result<String, Failure> {
        let head = format!("PUT {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len}\r\n\r\n");
        self.stream.write_all(head.as_bytes())?;
        let mut sent = 0;
        while sent < len {
            let most = usize::try_from(len - sent).unwrap_or(BUFFER).min(BUFFER);
            let piece = &mut self.buffer[..most];
            source.read_exact_at(piece, at + sent)?;
            self.stream.write_all(piece)?;
            sent += most as u64;
        }
        Ok(self.answer()?.tag)
    }

    fn post(&mut self, path: &str, body: &str) -> Result<String, Failure> {
        let len = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len}\r\n\r\n");
        self.stream.write_all(head.as_bytes())?;
        self.stream.write_all(body.as_bytes())?;
        let answer = self.answer()?;
        let mut text = self.buffer[answer.body.clone()].to_vec();
        let here = text.len();
        text.resize(usize::try_from(answer.len)?, 0);
        self.stream.read_exact(&mut text[here..])?;
        Ok(String::from_utf8(text)?)
    }

    fn answer(&mut self) -> Result<Answer, Failure> {
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..])?;
            if read == 0 {
                return Err("the server closed the connection".into());
            }
            filled += read;
            let mut fields = [httparse::EMPTY_HEADER; 32];
            let mut head = httparse::Response::new(&mut fields);
            let httparse::Status::Complete(end) = head.parse(&self.buffer[..filled])? else {
                continue;
            };
            if !matches!(head.code, Some(200 | 206)) {
                return Err(format!("status {:?}", head.code).into());
            }
            let field = |name: &str| {
                let mut fields = head.headers.iter();
                let field = fields.find(|field| field.name.eq_ignore_ascii_case(name))?;
                std::str::from_utf8(field.value).ok()
            };
            return Ok(Answer {
                len: field("content-length").unwrap_or("0").parse()?,
                tag: field("etag").unwrap_or_default().to_owned(),
                body: end..filled,
            });
        }
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inside, _)| inside)
}
