//! The embedded agent: it writes the files that the intent itself carries. No model is involved.

use super::{AgentOutcome, Task};
use crate::base::files;

/// Writes the task's blocks into the workspace.
pub fn run(task: &Task) -> AgentOutcome {
    if task.blocks.is_empty() {
        let (attempt, slice) = (task.attempt, &task.slice);
        return AgentOutcome::new(false, format!("the intent carries no files for attempt {attempt} of slice {slice}"));
    }
    for block in &task.blocks {
        let path = block.path.as_bytes();
        if let Err(e) = files::write_beneath(&task.workspace, path, &block.content, block.executable) {
            return AgentOutcome::new(false, format!("{:?} could not be written: {e}", block.path));
        }
    }
    let names: Vec<&str> = task.blocks.iter().map(|b| b.path.as_str()).collect();
    AgentOutcome::new(true, format!("wrote {} from the intent; no model was used", names.join(", ")))
}
