use std::collections::VecDeque;

/// The last things that happened, oldest first, for a driver that may never ask for them. Beyond
/// `CAPACITY` the old ones make way for new ones.
#[derive(Debug)]
pub(crate) struct Recent<T, const CAPACITY: usize>(VecDeque<T>);

impl<T, const CAPACITY: usize> Recent<T, CAPACITY> {
    pub(crate) fn push(&mut self, one: T) {
        if self.0.len() >= CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(one);
    }

    pub(crate) fn take(&mut self) -> Vec<T> {
        self.0.drain(..).collect()
    }
}

impl<T, const CAPACITY: usize> Default for Recent<T, CAPACITY> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_ones_are_kept() {
        let mut recent = Recent::<u32, 256>::default();
        (0..300).for_each(|number| recent.push(number));
        let kept = recent.take();
        assert_eq!((kept.len(), kept[0]), (256, 44));
        assert!(recent.take().is_empty());
    }
}
