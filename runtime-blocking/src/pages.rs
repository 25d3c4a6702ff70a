use sans3_core::operation::{ListObjectsV2, ListObjectsV2Output};
use sans3_core::transfer::Listing;

use crate::{Client, Error};

/// The keys of a bucket, page by page; nothing follows an error. Memory is bounded by a page,
/// however many there are.
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
}

impl Iterator for Pages {
    type Item = Result<ListObjectsV2Output, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let listing = self.rest.take()?;
        let page = self.client.transfer(listing).wait();
        Some(page.map(|page| {
            self.rest = page.next;
            page.content
        }))
    }
}
