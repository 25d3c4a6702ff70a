//! `sans3 demo --serve`: the server alone, for other programs to use.

use sans3_testkit::faults::Schedule;

use super::{BUCKET, REGION, Stage};
use crate::args::DemoArgs;
use crate::exit::Failure;
use crate::output::{Event, Output};
use crate::signals::Interrupt;

/// Serves until Ctrl-C, which is the orderly end.
pub(super) async fn run(
    args: &DemoArgs,
    output: &Output,
    interrupt: &mut Interrupt,
) -> Result<(), Failure> {
    let stage = Stage::set(Schedule::none(), args.port.unwrap_or(0))?;
    let url = stage.server.endpoint_url();
    // The one place where a secret is shown: it was made a moment ago, for whoever reads this.
    let variables = [
        ("AWS_ACCESS_KEY_ID", stage.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", stage.secret.expose()),
        ("AWS_REGION", REGION),
        ("AWS_ENDPOINT_URL_S3", url.as_str()),
    ];
    if output.is_json() {
        let event = Event::new("serving").text("bucket", BUCKET);
        let event = variables
            .iter()
            .fold(event, |event, (name, value)| event.text(name, value));
        output.event(event)?;
    } else {
        for (name, value) in variables {
            output.data(
                || format!("export {name}={value}"),
                || Event::new("variable"),
            )?;
        }
    }
    output.news(
        || {
            format!(
                "# an S3 server in memory at {url} with the bucket s3://{BUCKET}; paste the lines \
                 above into a shell, and stop it with Ctrl-C"
            )
        },
        || Event::new("ready"),
    )?;
    interrupt.wait().await;
    Ok(())
}
