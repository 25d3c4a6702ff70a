use serde::{Deserialize, Serialize};

/// The header fields that follow from credentials.
const SECRET: [&str; 2] = ["authorization", "x-amz-security-token"];

/// A request as it was sent, but for its body and what credentials add to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request(
    /// Method and target: `GET /bucket/key?query`.
    String,
    /// The header fields, as `name: value`, in the order of their names. Bytes that are no visible
    /// ASCII are escaped as in a string of Rust.
    Vec<String>,
);

impl Request {
    pub(super) fn of<B>(request: &http::Request<B>) -> Self {
        let target = request.uri().path_and_query();
        let target = target.map_or("/", |target| target.as_str());
        let mut fields: Vec<String> = request
            .headers()
            .iter()
            .filter(|(name, _)| !SECRET.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii()))
            .collect();
        fields.sort_unstable();
        Self(format!("{} {target}", request.method()), fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_credentials_is_left_out() {
        let request = http::Request::put("http://h/b/k?x=%20")
            .header("x-amz-security-token", "canary")
            .header("Authorization", "canary")
            .header("range", "bytes=0-1")
            .header("host", "h")
            .header("odd", &b"\xff\""[..])
            .body(())
            .unwrap();
        let Request(line, fields) = Request::of(&request);
        assert_eq!(line, "PUT /b/k?x=%20");
        assert_eq!(fields, ["host: h", "odd: \\xff\\\"", "range: bytes=0-1"]);
    }
}
