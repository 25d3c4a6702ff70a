use super::{Broken, Choices, Invariant, Scope, run, run_twice};

/// Makes the choices of a run that breaks an invariant fewer and plainer, as long as the same one
/// breaks: pieces of the list are left out, set to 0, and single choices made smaller. Takes at most
/// `runs` runs.
pub fn shrink(scope: Scope, values: Vec<u64>, broken: &Broken, runs: u32) -> Vec<u64> {
    let mut search = Search {
        scope,
        invariant: broken.invariant,
        best: values,
        left: runs,
    };
    loop {
        let before = search.best.clone();
        search.cut();
        search.flatten();
        search.lower();
        if search.best == before || search.left == 0 {
            return search.best;
        }
    }
}

struct Search {
    scope: Scope,
    invariant: Invariant,
    best: Vec<u64>,
    left: u32,
}

impl Search {
    /// Leaves out pieces, long ones first.
    fn cut(&mut self) {
        self.by_pieces(|values, from, to| {
            values.drain(from..to);
        });
    }

    /// Makes pieces plain.
    fn flatten(&mut self) {
        self.by_pieces(|values, from, to| values[from..to].fill(0));
    }

    fn by_pieces(&mut self, change: impl Fn(&mut Vec<u64>, usize, usize)) {
        let mut len = self.best.len().next_power_of_two();
        while len > 0 {
            let mut end = self.best.len();
            while end > 0 {
                let start = end.saturating_sub(len);
                let mut values = self.best.clone();
                end = end.min(values.len());
                change(&mut values, start, end);
                self.try_out(values);
                end = start.min(self.best.len());
            }
            len /= 2;
        }
    }

    /// Makes single choices smaller.
    fn lower(&mut self) {
        for at in (0..self.best.len()).rev() {
            let mut low = 0;
            while let Some(value) = self.best.get(at).copied().filter(|value| low < *value) {
                let mut values = self.best.clone();
                values[at] = low + (value - low) / 2;
                if !self.try_out(values) {
                    low += (value - low) / 2 + 1;
                }
            }
        }
    }

    /// Keeps these if they break the same.
    fn try_out(&mut self, mut values: Vec<u64>) -> bool {
        // What is behind the end is 0 anyway.
        while values.pop_if(|last| *last == 0).is_some() {}
        if self.left == 0 || values == self.best {
            return false;
        }
        self.left -= 1;
        let choices = || Choices::listed(values.clone());
        let result = match self.invariant {
            Invariant::SameLog => run_twice(self.scope, choices),
            _ => run(self.scope, &mut choices()),
        };
        let breaks = result.is_err_and(|broken| broken.invariant == self.invariant);
        if breaks {
            self.best = values;
        }
        breaks
    }
}
