use core::any::Any;

use super::sealed::IntoWork;
use super::{Call, Counters, Cx, Next, Transfer, Work};
use crate::attempt::Outcome;
use crate::error::{Cause, Rule, TransferError, Unreachable, Violation};
use crate::operation::{ListObjectsV2, ListObjectsV2Output};

/// One page of a bucket's keys. Its output carries the listing of the rest, to be inserted when
/// the page has been dealt with: so memory is bounded by a page, however long the listing is.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Listing {
    request: ListObjectsV2,
    pages: u64,
    /// The token at the last page whose number is a power of two. Comparing each new token with it
    /// finds a circle of any length in constant memory (Brent, "An improved Monte Carlo
    /// factorization algorithm", 1980).
    milestone: Option<String>,
}

/// A page of keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// What the page lists.
    pub content: ListObjectsV2Output,
    /// The listing that goes on after this page; `None` after the last one.
    pub next: Option<Listing>,
}

impl Listing {
    /// A listing that begins with `request`.
    pub const fn new(request: ListObjectsV2) -> Self {
        Self {
            request,
            pages: 0,
            milestone: None,
        }
    }

    /// The listing of what follows `page`. Pages must make progress: a server that says there is
    /// more and names no way to it, or a way that was taken before, would be asked for ever.
    fn following(mut self, page: &ListObjectsV2Output) -> Result<Option<Self>, Violation> {
        if !page.is_truncated {
            return Ok(None);
        }
        let expected = "a NextContinuationToken that was not there before";
        let Some(token) = page
            .next_continuation_token
            .clone()
            .filter(|token| !token.is_empty())
        else {
            return Err(Violation::new(Rule::Paging, expected, "none"));
        };
        if self.milestone.as_ref() == Some(&token)
            || self.request.continuation_token.as_ref() == Some(&token)
        {
            return Err(Violation::new(Rule::Paging, expected, token));
        }
        if page.objects.is_empty() && page.prefixes.is_empty() {
            return Err(Violation::new(
                Rule::Paging,
                "keys on a page that is not the last",
                "none",
            ));
        }
        self.pages = self.pages.saturating_add(1);
        if self.pages.is_power_of_two() {
            self.milestone = Some(token.clone());
        }
        self.request.continuation_token = Some(token);
        Ok(Some(self))
    }
}

impl Transfer for Listing {
    type Output = Page;
}

impl IntoWork for Listing {
    fn into_work(self) -> Box<dyn Work> {
        let call = Call::new(self.request.clone()).into_work();
        Box::new(ListingWork {
            listing: self,
            call,
        })
    }
}

struct ListingWork {
    listing: Listing,
    call: Box<dyn Work>,
}

impl Work for ListingWork {
    fn next(&mut self, cx: &mut Cx<'_>) -> Next {
        self.call.next(cx)
    }

    fn on_outcome(&mut self, outcome: Outcome, cx: &mut Cx<'_>) {
        self.call.on_outcome(outcome, cx);
    }

    fn fail(&mut self, cause: Cause, cx: &mut Cx<'_>) {
        self.call.fail(cause, cx);
    }

    fn counters(&self) -> Counters {
        self.call.counters()
    }

    fn into_result(self: Box<Self>) -> Result<Box<dyn Any + Send>, TransferError> {
        let content = self.call.into_result()?.downcast::<ListObjectsV2Output>();
        let content = content
            .map_err(|_| TransferError::new(Unreachable("a listing's answer of another type")))?;
        let next = self
            .listing
            .following(&content)
            .map_err(TransferError::new)?;
        Ok(Box::new(Page {
            content: *content,
            next,
        }))
    }
}
