use core::any::Any;

use super::flights::Flights;
use super::sealed::IntoWork;
use super::tries::{Tries, Verdict};
use super::{Counters, Cx, Next, Transfer, Work};
use crate::attempt::{Ending, Outcome};
use crate::error::{Cause, TransferError, Unreachable};
use crate::operation::Operation;

/// One operation, retried as the policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "trace", derive(serde::Serialize, serde::Deserialize))]
pub struct Call<O>(O);

impl<O: Operation> Call<O> {
    /// A transfer that carries out `operation`.
    pub const fn new(operation: O) -> Self {
        Self(operation)
    }
}

impl<O: Operation> Transfer for Call<O> {
    type Output = O::Output;
}

impl<O: Operation> IntoWork for Call<O> {
    fn into_work(self) -> Box<dyn Work> {
        Box::new(CallWork {
            operation: self.0,
            tries: None,
            flights: Flights::new(),
            result: None,
        })
    }
}

struct CallWork<O: Operation> {
    operation: O,
    tries: Option<Tries>,
    flights: Flights<()>,
    result: Option<Result<O::Output, TransferError>>,
}

impl<O: Operation> CallWork<O> {
    fn end(&mut self, cause: Cause) {
        self.result = Some(Err(TransferError::new(cause)));
    }
}

impl<O: Operation> Work for CallWork<O> {
    fn next(&mut self, cx: &mut Cx<'_>) -> Next {
        // A call that was given up is ended at once, and its end is still waited for.
        if self.result.is_some() {
            return self.flights.wind_down(|()| true).unwrap_or(Next::Ended);
        }
        if !self.flights.is_empty() {
            return Next::Rest;
        }
        if let Some(wait) = cx.blocked() {
            return wait;
        }
        let tries = self.tries.get_or_insert_with(|| cx.tries(O::KIND));
        if let Some(wait) = cx.until(cx.call_at(tries.ready_at())) {
            return wait;
        }
        self.flights.insert(cx.serial, ());
        Next::call(self.operation.clone(), tries.start())
    }

    fn on_outcome(&mut self, outcome: Outcome, cx: &mut Cx<'_>) {
        self.flights.remove(outcome.id().serial);
        let (None, Some(tries)) = (&self.result, &mut self.tries) else {
            return;
        };
        if let Ending::Answered(answer) = &outcome.ending {
            tries.succeed(cx);
            match O::from_answer(answer.clone()) {
                Some(output) => self.result = Some(Ok(output)),
                None => self.end(Unreachable("an answer to another operation").into()),
            }
        } else if let Verdict::Fail(cause) = tries.fail(&outcome, cx) {
            self.end(cause);
        }
    }

    fn fail(&mut self, cause: Cause, _cx: &mut Cx<'_>) {
        if self.result.is_none() {
            self.end(cause);
        }
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }

    fn into_result(self: Box<Self>) -> Result<Box<dyn Any + Send>, TransferError> {
        let unended = || Err(TransferError::new(Unreachable("a call that has not ended")));
        self.result
            .unwrap_or_else(unended)
            .map(|output| Box::new(output) as Box<dyn Any + Send>)
    }
}
