//! Exchanges that the task of their own transfer carries out, which would only wait for them.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use sans3_core::error::TransferError;

use crate::open::Hands;
use crate::promise::Pending;
use crate::task::Assignment;
use crate::ticket::Ticket;

/// Whether a transfer's task is free to carry out an exchange, and the one that it is given.
#[derive(Default)]
pub(crate) struct Carrier(Mutex<State>);

/// Waits for a transfer's result, and carries out an exchange now and then meanwhile. Cancels the
/// transfer where it is dropped before.
pub(crate) struct Waiting<'a, T> {
    ticket: Option<&'a Ticket>,
    carrier: Option<Arc<Carrier>>,
    result: Pending<Result<T, TransferError>>,
    /// Dropped after the transfer was cancelled, so that nobody begins it anew.
    exchange: Option<Exchange>,
}

/// An exchange under way: its end was reported when it is ready.
pub type Exchange = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An exchange, and what carries it out.
pub(crate) struct Errand {
    pub(crate) assignment: Assignment,
    pub(crate) hands: Arc<dyn Hands>,
}

#[derive(Default)]
struct State {
    busy: bool,
    errand: Option<Errand>,
    waker: Option<Waker>,
}

impl Carrier {
    /// Whether an errand would be taken now.
    pub(crate) fn is_free(&self) -> bool {
        !self.state().busy
    }

    /// Gives an errand, and who is to be woken for it; hands it back where it would not be taken.
    pub(crate) fn give(&self, errand: Errand) -> Result<Option<Waker>, Box<Errand>> {
        let mut state = self.state();
        if state.busy {
            return Err(Box::new(errand));
        }
        state.busy = true;
        state.errand = Some(errand);
        Ok(state.waker.take())
    }

    fn poll_errand(&self, cx: &Context<'_>) -> Poll<Errand> {
        let mut state = self.state();
        match state.errand.take() {
            Some(errand) => Poll::Ready(errand),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn set_free(&self) {
        self.state().busy = false;
    }

    /// Takes no more errands. One that was given and not begun is lost, and says so.
    fn close(&self) {
        let mut state = self.state();
        state.busy = true;
        let unbegun = state.errand.take();
        drop(state);
        drop(unbegun);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a, T> Waiting<'a, T> {
    pub(crate) const fn new(
        result: Pending<Result<T, TransferError>>,
        carrier: Option<Arc<Carrier>>,
        ticket: &'a Ticket,
    ) -> Self {
        Self {
            ticket: Some(ticket),
            carrier,
            result,
            exchange: None,
        }
    }
}

impl<T> Future for Waiting<'_, T> {
    /// `None` where nobody drives any more.
    type Output = Option<Result<T, TransferError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            if let Some(exchange) = &mut this.exchange {
                ready!(exchange.as_mut().poll(cx));
                this.exchange = None;
                this.carrier.iter().for_each(|carrier| carrier.set_free());
            }
            if let Poll::Ready(result) = Pin::new(&mut this.result).poll(cx) {
                this.ticket = None;
                return Poll::Ready(result);
            }
            let Some(carrier) = &this.carrier else {
                return Poll::Pending;
            };
            let Errand { assignment, hands } = ready!(carrier.poll_errand(cx));
            this.exchange = Some(hands.carry_out(assignment));
        }
    }
}

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            ticket.cancel();
        }
        if let Some(carrier) = &self.carrier {
            carrier.close();
        }
    }
}
