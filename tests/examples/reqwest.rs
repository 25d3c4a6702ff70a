//! An adapter around reqwest, without TLS, proxies, `Expect` and credentials that expire. It copies
//! there and back: `cargo run -p sans3-testkit --example reqwest -- URL BUCKET KEY FILE COPY`

use std::{convert::Infallible, env, error::Error, io, iter, time::Duration, time::Instant};

use reqwest::{Body, Client, Request, Response, redirect, retry};
use sans3_core::attempt::{Attempt, Outcome, Ready, Sent};
use sans3_core::endpoint::{BucketName, Endpoint, ObjectKey, Region};
use sans3_core::error::TransportErrorKind as Kind;
use sans3_core::session::{CredentialSource, SessionConfig};
use sans3_core::transfer::{Download, Length, Upload};
use sans3_runtime::net::{Fault, chain, check_head};
use sans3_runtime::{ClientConfig, Desk, End, Hub, Intake, Offload, Replace};
use sans3_runtime::{Standing, Task, Work, clock};
use tokio::{select, spawn, sync::mpsc::channel, time::sleep, time::timeout};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [url, bucket, key, file, copy] = &env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("expected: URL BUCKET KEY FILE COPY".into());
    };
    let endpoint = Endpoint::custom(url, Region::new("us-east-1")?)?;
    let session = SessionConfig::new(endpoint, CredentialSource::Anonymous);
    let hub = open(ClientConfig::new(session))?;
    let (bucket, key) = (BucketName::new(bucket)?, ObjectKey::new(key.as_str())?);
    let spec = Upload::new(bucket.clone(), key.clone(), Length::Known(0)); // as long as the file
    hub.upload_file(spec, file.as_ref(), &hub.ticket()).await?;
    let (spec, copy) = (Download::new(bucket, key), copy.as_ref());
    let copied = hub.download_to_file(spec, copy, Replace::No, &hub.ticket());
    println!("{:?}", copied.await?);
    Ok(())
}

/// A client whose driver runs in this runtime, on a reqwest that does nothing unasked.
pub(crate) fn open(config: ClientConfig) -> Result<Hub, Box<dyn Error>> {
    let http = Client::builder()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .connect_timeout(config.session.timeouts.connect)
        .pool_idle_timeout(Duration::from_secs(1))
        .http1_max_headers(128);
    let parts = Hub::open(config, Blocking)?;
    spawn(drive(parts.desk, http.build()?));
    Ok(parts.hub)
}

struct Blocking;
impl Offload for Blocking {
    fn offload(&self, work: Box<dyn FnOnce() + Send>) {
        drop(tokio::task::spawn_blocking(work));
    }
}

/// Hands out what the session wants done, until nobody is left who could want more.
async fn drive(mut desk: Desk, http: Client) {
    let began = Instant::now();
    let now = || sans3_core::time::Instant::ZERO + began.elapsed();
    while let Standing::Waits(until) = desk.work(now(), |task| _ = spawn(run(task, http.clone()))) {
        let alarm = until.map_or(Duration::MAX, |until| until.since(now()));
        let _ = timeout(alarm, desk.inbox().arrived()).await;
    }
}

async fn run(task: Task, http: Client) {
    match task {
        Task::Exchange(it) => {
            let end = exchange(it.attempt, &it.work, &http).await;
            it.report.send(end.unwrap_or_else(|end| end));
        }
        Task::Credentials(asking) => drop(asking), // which answers that there are none
    }
}

/// Carries out an attempt. `Err` is an outcome like any other, of one that ended early.
async fn exchange(attempt: Attempt, work: &Work, http: &Client) -> Result<Outcome, Outcome> {
    let deadlines = attempt.deadlines();
    let sendable = match attempt.prepare() {
        Ready::Send(sendable) => sendable,
        Ready::Hash(hashing) => work.hash(hashing).await?,
    };
    let (head, content) = sendable.request(clock::wall())?.into_parts();
    let (mut body, (pipe, mut pieces)) = (work.body(content), channel(1));
    let pieces = futures_util::stream::poll_fn(move |cx| pieces.poll_recv(cx));
    let payload = (body.left() > 0).then(|| Body::wrap_stream(pieces));
    let signed = http::Request::from_parts(head, payload.unwrap_or_default());
    let uri = signed.uri().clone();
    let sending = async {
        let request = Request::try_from(signed).map_err(fault)?;
        let url = request.url();
        // It is parsed as browsers do, which makes another key of some.
        if (url.path(), url.query()) != (uri.path(), uri.query()) {
            return Err(Fault::new(Kind::Other, format!("reqwest would send {url}")));
        }
        let answer = http.execute(request).await.map_err(fault)?;
        let (head, body) = http::Response::from(answer).into_parts();
        check_head(&head)?;
        Ok((head, Response::from(http::Response::new(body))))
    };
    let feeding = async {
        while let Some(piece) = body.next().await.transpose()? {
            match timeout(deadlines.idle, pipe.send(Ok::<_, io::Error>(piece))).await {
                Ok(Ok(())) => {}
                Ok(Err(_closed)) => break,
                Err(_) => return Ok(Fault::new(Kind::IdleTimeout, "no more is taken")),
            }
        }
        sleep(deadlines.head).await;
        Ok(Fault::new(Kind::HeadTimeout, "no answer has come"))
    };
    let answer = select! {
        () = work.stop.stopped() => Ok(Err(Fault::aborted())),
        late = feeding => late.map(Err),
        answer = sending => Ok(answer),
    };
    let all = body.left() == 0;
    let sent = if all { Sent::All } else { Sent::Part };
    let (head, mut answer) = match answer {
        Ok(Ok(answer)) => answer,
        Ok(Err(fault)) => return Err(sendable.on_transport_error(fault.kind, sent, fault.detail)),
        Err(error) => return Err(sendable.on_source_error(error)),
    };
    let mut intake = Intake::new(sendable.on_head(&head, sent, clock::wall())?, work);
    let end = select! {
        () = work.stop.stopped() => Fault::aborted().into(),
        Err::<Infallible, End>(end) = async { loop {
            intake.ready().await?;
            let asked = Instant::now();
            let chunk = timeout(intake.patience(), answer.chunk()).await;
            let chunk = chunk.map_err(|_| intake.stalled())?.map_err(fault)?;
            intake.take(&chunk.ok_or(End::Complete)?, asked.elapsed())?;
        }} => end,
    };
    Ok(intake.finish(&end).await)
}

fn fault(error: reqwest::Error) -> Fault {
    let words = chain(&error);
    let mut causes = iter::successors(error.source(), |&cause| cause.source());
    let kind = match causes.find_map(|cause| cause.downcast_ref()) {
        _ if error.is_connect() && error.is_timeout() => Kind::ConnectTimeout,
        _ if error.is_connect() => Kind::Connect,
        _ if words.contains("too large") => Kind::HeadTooLarge,
        _ if words.contains("parsed") => Kind::BadHttp,
        Some(error) => Fault::from_io(error).kind,
        None => Kind::Closed,
    };
    Fault::new(kind, words)
}
