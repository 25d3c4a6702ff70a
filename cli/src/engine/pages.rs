use sans3_core::operation::ListObjectsV2Output;
use sans3_runtime::Error;

use super::running::apart;

/// The keys of a bucket, page by page.
pub(crate) enum Pages {
    Tokio(sans3_tokio::Pages),
    Smol(sans3_smol::Pages),
    /// `None` while a thread waits for the next page, and for ever if nobody waited for the thread.
    Blocking(Option<sans3_blocking::Pages>),
}

impl Pages {
    /// The next page; `None` after the last one and after an error.
    pub(crate) async fn next(&mut self) -> Option<Result<ListObjectsV2Output, Error>> {
        let kept = match self {
            Self::Tokio(pages) => return pages.next().await,
            Self::Smol(pages) => return pages.next().await,
            Self::Blocking(kept) => kept,
        };
        let mut pages = kept.take()?;
        let next = apart(move || (pages.next(), pages));
        let next = match next {
            Ok(next) => next.await.ok_or(Error::Closed),
            Err(error) => Err(error),
        };
        match next {
            Ok((page, pages)) => {
                *kept = Some(pages);
                page
            }
            Err(error) => Some(Err(error)),
        }
    }
}
