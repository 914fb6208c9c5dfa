//! Lines below the narration of a terminal that are drawn anew as they change, while finished lines scroll above.

use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The lines.
#[derive(Debug, Default)]
pub struct Below(Mutex<Option<Drawn>>);

#[derive(Debug, Default)]
struct Drawn {
    all: MultiProgress,
    lines: Vec<ProgressBar>,
}

impl Below {
    /// Draws these lines, in place of those that were drawn.
    pub fn show(&self, lines: &[String]) {
        let mut guard = self.lock();
        if lines.is_empty() {
            if let Some(Drawn { all, lines }) = guard.take() {
                lines.iter().for_each(|line| all.remove(line));
                // A terminal that went away has nothing to clear.
                let _ = all.clear();
            }
            return;
        }
        let drawn = guard.get_or_insert_default();
        while drawn.lines.len() > lines.len() {
            drawn.lines.pop().iter().for_each(|line| drawn.all.remove(line));
        }
        while drawn.lines.len() < lines.len() {
            let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            let line = drawn.all.add(ProgressBar::new_spinner().with_style(style));
            drawn.lines.push(line);
        }
        for (line, text) in drawn.lines.iter().zip(lines) {
            line.set_message(text.clone());
            line.tick();
        }
    }

    /// Does something with the lines out of the way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &*self.lock() {
            Some(drawn) => drawn.all.suspend(write),
            None => write(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Drawn>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
