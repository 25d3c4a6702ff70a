//! Listings that never end.

/// Follows a listing from page to page, and notices that it goes round in a circle (Brent's
/// algorithm): servers have been seen to ignore the marker.
pub(crate) struct Circle<R> {
    pages: u64,
    milestone: Option<R>,
}

impl<R> Default for Circle<R> {
    fn default() -> Self {
        Self {
            pages: 0,
            milestone: None,
        }
    }
}

impl<R: Clone + PartialEq> Circle<R> {
    /// The request for the next page, if there is one that was not asked for before.
    pub(crate) fn follow(&mut self, next: Option<R>) -> Option<R> {
        let next = next.filter(|next| self.milestone.as_ref() != Some(next));
        self.pages += 1;
        if self.pages.is_power_of_two() {
            self.milestone.clone_from(&next);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_ends_and_a_line_does_not() {
        let mut circle = Circle::default();
        let steps = (0..1_000).take_while(|step| circle.follow(Some(step % 7)).is_some());
        assert!((7..30).contains(&steps.count()));
        let mut line = Circle::default();
        assert!((0..1_000).all(|page| line.follow(Some(page)) == Some(page)));
        assert_eq!(line.follow(None), None);
    }
}
