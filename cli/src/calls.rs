//! Waiting for single requests.

use sans3_runtime::Error;

use crate::engine::Running;
use crate::exit::{Failure, Site};
use crate::signals::Interrupt;

/// Waits for a request, and cancels it on the first Ctrl-C.
///
/// # Errors
/// Why it failed.
pub(crate) async fn finish<T>(
    running: Running<T>,
    interrupt: &mut Interrupt,
    site: &Site,
) -> Result<T, Failure> {
    let result = end(running, interrupt).await;
    result.map_err(|error| Failure::transfer(&error, site))
}

/// As [`finish`], for those who look at the error.
///
/// # Errors
/// Why it failed.
pub(crate) async fn end<T>(mut running: Running<T>, interrupt: &mut Interrupt) -> Result<T, Error> {
    tokio::select! {
        result = &mut running => result,
        () = interrupt.wait() => {
            running.cancel();
            running.await
        }
    }
}
