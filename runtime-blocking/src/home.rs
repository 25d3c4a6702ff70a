//! Which process a client is in: a fork copies its memory, but none of its threads.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// The process that a client belongs to, and whether anything was under way when it was left.
///
/// Neither takes a lock to be known: after a fork any lock may be held by a thread that is not
/// there.
pub(crate) struct Home {
    process: AtomicU32,
    /// What is under way, or holds a lock of the client's.
    busy: AtomicUsize,
}

/// Something is under way while this is there.
pub(crate) struct Busy(Arc<Home>);

/// What is of use to the process that made it alone. Where a fork came in between, its copy is not
/// dropped: that would ask for locks which nobody gives back, or remove files of the other process.
pub(crate) struct Ours<T> {
    value: Option<T>,
    home: Arc<Home>,
}

impl Home {
    /// The home of a client of this process.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            process: AtomicU32::new(process()),
            busy: AtomicUsize::new(0),
        })
    }

    /// Whether the client belongs to this process.
    pub(crate) fn is_here(&self) -> bool {
        self.process.load(Ordering::Acquire) == process()
    }

    /// Whether the client can't be used here: something was under way at the fork. Once so, always
    /// so.
    pub(crate) fn is_lost(&self) -> bool {
        // In this order: another thread may move in and get busy meanwhile.
        let busy = self.busy.load(Ordering::Acquire) > 0;
        busy && !self.is_here()
    }

    /// The client belongs to this process from now on.
    pub(crate) fn move_in(&self) {
        self.process.store(process(), Ordering::Release);
    }

    /// Something begins.
    pub(crate) fn busy(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(self))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.is_here() {
            self.0.busy.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl<T> Ours<T> {
    pub(crate) fn new(value: T, home: &Arc<Home>) -> Self {
        Self {
            value: Some(value),
            home: Arc::clone(home),
        }
    }

    /// The value, unless it belongs to another process.
    pub(crate) fn into_inner(mut self) -> Option<T> {
        self.value.take_if(|_| !self.home.is_lost())
    }

    /// Another value takes the place of this one.
    pub(crate) fn replace(&mut self, value: T) {
        *self = Self::new(value, &self.home);
    }
}

impl<T> Deref for Ours<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("here until the drop")
    }
}

impl<T> DerefMut for Ours<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("here until the drop")
    }
}

impl<T: Clone> Clone for Ours<T> {
    fn clone(&self) -> Self {
        Self::new(T::clone(self), &self.home)
    }
}

impl<T> Drop for Ours<T> {
    fn drop(&mut self) {
        if self.home.is_lost() {
            std::mem::forget(self.value.take());
        }
    }
}

#[cfg(not(test))]
use std::process::id as process;

#[cfg(test)]
use tests::process;

#[cfg(test)]
mod tests;
