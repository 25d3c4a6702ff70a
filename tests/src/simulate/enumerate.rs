use super::{Broken, Choices, Scope, run};

/// Carries out every run of a small scope: all faults at all requests, all orders of events.
/// Returns how many there are; at most `most` are carried out.
///
/// # Errors
/// The first run that breaks an invariant, and its choices.
pub fn enumerate(scope: Scope, most: u64) -> Result<u64, (Broken, Vec<u64>)> {
    let mut values = Vec::new();
    for count in 1.. {
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
            return Ok(count);
        };
        last.value += 1;
        if count >= most {
            return Ok(count);
        }
        values = taken.iter().map(|choice| choice.value).collect();
    }
    Ok(0)
}
