use sans3_core::operation::{ListObjectsV2, ListObjectsV2Output};
use sans3_core::transfer::Listing;

use crate::{Client, Error};

/// The keys of a bucket, page by page. Memory is bounded by a page, however many there are.
#[derive(Debug)]
pub struct Pages {
    client: Client,
    rest: Option<Listing>,
}

impl Pages {
    pub(crate) const fn new(client: Client, request: ListObjectsV2) -> Self {
        Self {
            client,
            rest: Some(Listing::new(request)),
        }
    }

    /// The next page; `None` after the last one and after an error.
    pub async fn next(&mut self) -> Option<Result<ListObjectsV2Output, Error>> {
        let listing = self.rest.take()?;
        match self.client.transfer(listing).await {
            Ok(page) => {
                self.rest = page.next;
                Some(Ok(page.content))
            }
            Err(error) => Some(Err(error)),
        }
    }
}
