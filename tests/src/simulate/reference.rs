//! A client without any refinement, to compare results with: one request after the other, no
//! retry, no checksum, no state. What it gets from an undisturbed server is what every client must
//! get from a disturbed one.

use http::Method;

use crate::model::{Model, Object, Request, Response};

/// How a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) u16);

/// What is to be uploaded.
pub(super) struct Upload<'a> {
    pub(super) key: &'a str,
    pub(super) bytes: &'a [u8],
    /// Bytes a part; an object of at most so many goes by one PUT.
    pub(super) part_size: u64,
    /// Whether there must be no such object yet.
    pub(super) is_new: bool,
}

/// Reads an object by one GET; `if_match` is the tag that it must have.
pub(super) fn download(
    model: &mut Model,
    key: &str,
    if_match: Option<&str>,
) -> Result<Vec<u8>, Refused> {
    let answer = ask(model, Method::GET, &format!("/b/{key}"), &[], &[])?;
    let same = if_match.is_none_or(|wanted| answer.header("etag") == Some(wanted));
    if same {
        Ok(answer.body.to_vec())
    } else {
        Err(Refused(412))
    }
}

/// Writes an object, part by part where it has several, and returns what is stored then.
pub(super) fn upload(model: &mut Model, upload: &Upload<'_>) -> Result<Object, Refused> {
    let target = format!("/b/{}", upload.key);
    let condition: &[(&str, &str)] = if upload.is_new {
        &[("if-none-match", "*")]
    } else {
        &[]
    };
    if upload.bytes.len() as u64 <= upload.part_size {
        ask(model, Method::PUT, &target, condition, upload.bytes)?;
    } else {
        by_parts(model, upload, &target, condition)?;
    }
    let stored = model.object("b", upload.key);
    stored.cloned().ok_or(Refused(404))
}

fn by_parts(
    model: &mut Model,
    upload: &Upload<'_>,
    target: &str,
    condition: &[(&str, &str)],
) -> Result<(), Refused> {
    let created = ask(model, Method::POST, &format!("{target}?uploads"), &[], &[])?;
    let created = String::from_utf8_lossy(&created.body.to_vec()).into_owned();
    let id = between(&created, "<UploadId>", "</UploadId>");
    let part_size = usize::try_from(upload.part_size).unwrap_or(usize::MAX);
    let mut list = String::from("<CompleteMultipartUpload>");
    for (number, part) in (1..).zip(upload.bytes.chunks(part_size)) {
        let place = format!("{target}?partNumber={number}&uploadId={id}");
        let stored = ask(model, Method::PUT, &place, &[], part)?;
        let etag = stored.header("etag").unwrap_or_default();
        list.push_str(&format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        ));
    }
    list.push_str("</CompleteMultipartUpload>");
    let place = format!("{target}?uploadId={id}");
    ask(model, Method::POST, &place, condition, list.as_bytes())?;
    Ok(())
}

fn ask(
    model: &mut Model,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Response, Refused> {
    let mut request = Request::new(method, target.to_owned()).body(body.to_vec());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = model.handle(request);
    if answer.status.is_success() {
        Ok(answer)
    } else {
        Err(Refused(answer.status.as_u16()))
    }
}

/// What stands between two texts; nothing where they are not there.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).map_or("", |(_, rest)| rest);
    rest.split_once(after).map_or("", |(found, _)| found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelConfig;

    fn model() -> Model {
        let mut config = ModelConfig::default();
        config.limits.min_part = 1;
        let mut model = Model::new(config);
        model.create_bucket("b");
        model
    }

    #[test]
    fn what_is_written_is_read() {
        let mut model = model();
        for (bytes, parts) in [(&b"12345"[..], 0), (b"123456", 2), (b"", 0)] {
            let job = Upload {
                key: "k",
                bytes,
                part_size: 5,
                is_new: false,
            };
            let stored = upload(&mut model, &job).unwrap();
            assert_eq!(stored.parts.len(), parts);
            let seen = download(&mut model, "k", Some(&stored.etag));
            assert_eq!(seen.as_deref(), Ok(bytes));
        }
        assert_eq!(model.uploads().count(), 0);
    }

    #[test]
    fn refusals_are_told() {
        let mut model = model();
        assert_eq!(download(&mut model, "k", None), Err(Refused(404)));
        model.put("b", "k", "old");
        assert_eq!(download(&mut model, "k", Some("\"x\"")), Err(Refused(412)));
        for part_size in [1, 5] {
            let job = Upload {
                key: "k",
                bytes: b"new",
                part_size,
                is_new: true,
            };
            assert_eq!(upload(&mut model, &job).map(|o| o.etag), Err(Refused(412)));
        }
    }
}
