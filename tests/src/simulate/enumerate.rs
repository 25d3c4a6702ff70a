use super::{Broken, Choices, Scope, run};

/// How many runs were carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enumerated {
    /// So many.
    pub runs: u64,
    /// Whether these are all that there are.
    pub complete: bool,
}

/// Carries out every run of a small scope: all faults at all requests, all orders of events; at most
/// `most` of them.
///
/// # Errors
/// The first run that breaks an invariant, and its choices.
pub fn enumerate(scope: Scope, most: u64) -> Result<Enumerated, (Broken, Vec<u64>)> {
    let mut values = Vec::new();
    let mut runs = 0;
    loop {
        runs += 1;
        let mut choices = Choices::listed(values).recorded();
        let result = run(scope, &mut choices);
        let mut taken = choices.into_taken();
        if let Err(broken) = result {
            let values = taken.iter().map(|choice| choice.value).collect();
            return Err((broken, values));
        }
        // The next one differs in its last choice that has a further possibility.
        while taken.pop_if(|last| last.value + 1 >= last.of).is_some() {}
        let Some(last) = taken.last_mut() else {
            let complete = true;
            return Ok(Enumerated { runs, complete });
        };
        if runs >= most {
            let complete = false;
            return Ok(Enumerated { runs, complete });
        }
        last.value += 1;
        values = taken.iter().map(|choice| choice.value).collect();
    }
}
