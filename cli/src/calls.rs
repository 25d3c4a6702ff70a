//! Waiting for single requests.

use crate::engine::Running;
use crate::exit::{Failure, Site};
use crate::signals::Interrupt;

/// Waits for a request, and cancels it on the first Ctrl-C.
///
/// # Errors
/// Why it failed.
pub(crate) async fn finish<T>(
    mut running: Running<T>,
    interrupt: &mut Interrupt,
    site: &Site,
) -> Result<T, Failure> {
    let result = tokio::select! {
        result = &mut running => result,
        () = interrupt.wait() => {
            running.cancel();
            running.await
        }
    };
    result.map_err(|error| Failure::transfer(&error, site))
}
