//! The embedded agent: it writes the files that the intent itself carries. No model is involved.

use super::{Call, Outcome, Work};
use crate::base::files;

/// Writes the task's blocks into the workspace.
pub fn run(call: &Call<'_>) -> Outcome {
    let Work::Write(task) = call.work else {
        return Outcome::failed("the embedded agent writes what an intent carries and answers nothing");
    };
    if task.blocks.is_empty() {
        let (attempt, slice) = (task.attempt, &task.slice);
        return Outcome::failed(format!("the intent carries no files for attempt {attempt} of slice {slice}"));
    }
    for block in &task.blocks {
        if let Err(e) = files::write_beneath(call.dir, block.path.as_bytes(), &block.content, block.executable) {
            return Outcome::failed(format!("{:?} could not be written: {e}", block.path));
        }
    }
    let names: Vec<&str> = task.blocks.iter().map(|b| b.path.as_str()).collect();
    Outcome::done(format!("wrote {} from the intent; no model was used", names.join(", ")))
}
