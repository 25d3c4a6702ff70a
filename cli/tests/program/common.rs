//! The built program against the testkit's server, with an environment that has nothing else in it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sans3_testkit::faults::{Rule, Schedule};
use sans3_testkit::model::{Access, ModelConfig};
use sans3_testkit::server::{Config, Server};

pub(crate) const KEY_ID: &str = "AKIDEXAMPLE0000CLI01";
/// Must never be seen anywhere; with characters that encodings change.
pub(crate) const SECRET: &str = "canary/Secret+0123456789abcdef==XYZ";

/// What can be asked for by `--runtime`.
pub(crate) const RUNTIMES: [&str; 3] = ["tokio", "smol", "blocking"];

/// A server with the bucket `bucket`, and a directory for files.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) dir: Scratch,
}

/// A directory that goes with the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cli-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// What is in the directory, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_faults([])
    }

    pub(crate) fn with_faults(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self::with(Config {
            faults: Schedule::rules(rules),
            ..Config::default()
        })
    }

    pub(crate) fn with(config: Config) -> Self {
        let model = ModelConfig {
            access: Access::key(KEY_ID, SECRET),
            ..config.model
        };
        let server = Server::start(Config { model, ..config }).unwrap();
        server.with_model(|model| model.create_bucket("bucket"));
        Self {
            server,
            dir: Scratch::new(),
        }
    }

    /// A command with the credentials and the endpoint of this server.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = bare(words);
        command
            .env("AWS_ACCESS_KEY_ID", KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_ENDPOINT_URL_S3", self.server.endpoint_url());
        command
    }

    /// As [`command`](Self::command), run by a shell, which `script` has as `"$@"`. Its output is
    /// piped.
    pub(crate) fn shell(&self, script: &str, words: &[&str]) -> Command {
        let direct = self.command(words);
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script, "sh"])
            .arg(direct.get_program())
            .args(direct.get_args())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(
                direct
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Ended {
        Ended::of(self.command(words).output().unwrap())
    }

    /// As [`run`](Self::run), with something on stdin.
    pub(crate) fn run_with_stdin<S: AsRef<OsStr>>(
        &self,
        words: impl IntoIterator<Item = S>,
        stdin: &[u8],
    ) -> Ended {
        let mut command = self.command(words);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let bytes = stdin.to_vec();
        let writer = thread::spawn(move || drop(pipe.write_all(&bytes)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ended::of(output)
    }

    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.server
            .with_model(|model| drop(model.put("bucket", key, bytes)));
    }

    pub(crate) fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.server
            .with_model(|model| Some(model.object("bucket", key)?.data.to_vec()))
    }
}

/// A command without any configuration.
pub(crate) fn bare<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sans3"));
    command
        .env_clear()
        .env("HOME", "/nonexistent")
        .args(words)
        .stdin(Stdio::null());
    command
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    /// Whatever a program says, the secret is not in it, and it did not panic.
    pub(crate) fn of(output: Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let stdout = output.stdout;
        for text in [&stderr, &*String::from_utf8_lossy(&stdout)] {
            assert!(!text.contains(SECRET) && !text.contains("canary"), "{text}");
            assert!(!text.contains("panicked"), "{text}");
        }
        Self {
            code: output.status.code(),
            stdout,
            stderr,
        }
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// Ended with this code, and said this on stderr.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        for word in words {
            assert!(
                self.stderr.contains(word),
                "{word:?} is not in: {}",
                self.stderr
            );
        }
        self
    }
}

/// The JSON lines of an output.
#[track_caller]
pub(crate) fn json(lines: &[u8]) -> Vec<serde_json::Value> {
    let text = std::str::from_utf8(lines).unwrap();
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    text.lines().map(parse).collect()
}

/// The events of one name.
pub(crate) fn events<'a>(all: &'a [serde_json::Value], name: &str) -> Vec<&'a serde_json::Value> {
    all.iter().filter(|event| event["event"] == name).collect()
}

/// Bytes that differ from each other.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0])
        .collect()
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "waited in vain: {what}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

/// A URL at which nobody listens: its port was free a moment ago.
pub(crate) fn dead_end() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Sends a signal as a shell would.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .arg(name)
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(status.success());
}

/// Waits for the end, but not for ever.
pub(crate) fn end_of(mut child: Child) -> Ended {
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
            panic!("the program did not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ended::of(child.wait_with_output().unwrap())
}
