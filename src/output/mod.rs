//! The only door to standard output and standard error: answers to the first, narration to the second.

mod below;

use std::{
    io::{self, BufRead, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use serde::Serialize;

use below::Below;

use crate::base::{Exit, Failure, text};

/// When colour is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How a command speaks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// When colour is used.
    pub color: Color,
    /// Narration is left out.
    pub quiet: bool,
    /// More of it.
    pub verbose: bool,
    /// Answers are JSON, and so are errors.
    pub json: bool,
    /// The terminal takes nothing but lines.
    pub dumb: bool,
}

/// A style of a part of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// What went well.
    Good,
    /// What did not.
    Bad,
    /// What is in between.
    Warn,
    /// What matters less.
    Dim,
    /// What matters.
    Bold,
}

impl Style {
    /// SGR parameters (ECMA-48).
    fn sgr(self) -> &'static str {
        match self {
            Style::Good => "32",
            Style::Bad => "31",
            Style::Warn => "33",
            Style::Dim => "2",
            Style::Bold => "1",
        }
    }
}

/// The user at the other end.
#[derive(Debug)]
pub struct Ui {
    manner: Manner,
    color_out: bool,
    color_err: bool,
    closed: AtomicBool,
    below: Below,
}

impl Ui {
    /// Speaks in that manner; `no_color` is whether the variable of that name counts (no-color.org): it is stronger than
    /// everything but an option.
    pub fn new(manner: Manner, no_color: bool) -> Ui {
        let on = |terminal: bool| match manner.color {
            _ if no_color => false,
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal,
        };
        let (color_out, color_err) = (on(shows_answers()), on(io::stderr().is_terminal()));
        Ui { manner, color_out, color_err, closed: AtomicBool::new(false), below: Below::default() }
    }

    /// Whether answers are JSON.
    pub fn is_json(&self) -> bool {
        self.manner.json
    }

    /// Whether more narration is wanted.
    pub fn is_verbose(&self) -> bool {
        self.manner.verbose
    }

    /// Whether narration of what passes is wanted: on a terminal, and where more is wanted.
    pub fn is_live(&self) -> bool {
        !self.manner.json && !self.manner.quiet && (self.manner.verbose || io::stderr().is_terminal())
    }

    /// Whether lines can stand below the narration.
    pub fn has_below(&self) -> bool {
        let wanted = !self.manner.json && !self.manner.quiet && !self.manner.dumb;
        wanted && io::stderr().is_terminal()
    }

    /// Has these lines stand below the narration, in place of those that stood there.
    pub fn show_below(&self, lines: &[String]) {
        if self.has_below() {
            self.below.show(lines);
        }
    }

    /// Takes them away.
    pub fn clear_below(&self) {
        self.below.show(&[]);
    }

    /// Whether narration is coloured.
    pub fn is_colored(&self) -> bool {
        self.color_err
    }

    /// Whether answers go straight to a terminal.
    pub fn answers_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Whether somebody can be asked.
    pub fn can_ask(&self) -> bool {
        !self.manner.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// A styled text for [`Ui::say`].
    pub fn paint(&self, style: Style, text: &str) -> String {
        paint(self.color_err, style, text)
    }

    /// A styled text for [`Ui::answer`].
    pub fn paint_answer(&self, style: Style, text: &str) -> String {
        paint(self.color_out, style, text)
    }

    /// Part of the answer, as it is: the caller has made what came from outside printable.
    pub fn answer(&self, text: &str) -> io::Result<()> {
        self.write(io::stdout(), text.as_bytes())
    }

    /// Part of the answer, as bytes.
    pub fn answer_bytes(&self, bytes: &[u8]) -> io::Result<()> {
        self.write(io::stdout(), bytes)
    }

    /// The answer as one object of JSON on one line.
    pub fn answer_json<T: Serialize>(&self, value: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.write(io::stdout(), &line)
    }

    /// One line of narration; nothing when quiet.
    pub fn say(&self, line: &str) -> io::Result<()> {
        if self.manner.quiet {
            return Ok(());
        }
        self.write(io::stderr(), format!("{line}\n").as_bytes())
    }

    /// Asks for one line on the terminal.
    pub fn ask(&self, question: &str) -> io::Result<String> {
        self.clear_below();
        self.write(io::stderr(), question.as_bytes())?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// Says how a command failed, and gives its exit code.
    pub fn fail(&self, failure: &Failure) -> Exit {
        self.clear_below();
        let mut err = io::stderr().lock();
        if self.manner.json {
            #[derive(Serialize)]
            struct Error<'a> {
                code: &'a str,
                message: &'a str,
                #[serde(skip_serializing_if = "<[String]>::is_empty")]
                causes: &'a [String],
                hint: Option<&'a str>,
            }
            #[derive(Serialize)]
            struct Outer<'a> {
                error: Error<'a>,
            }
            let (code, hint) = (failure.exit.word(), failure.hint.as_deref());
            let error = Error { code, message: &failure.message, causes: &failure.causes, hint };
            let _ = serde_json::to_writer(&mut err, &Outer { error });
            let _ = writeln!(err);
            return failure.exit;
        }
        let _ = writeln!(err, "{} {}", self.paint(Style::Bad, "error:"), text::printable(&failure.message));
        for cause in &failure.causes {
            let _ = writeln!(err, "  because: {}", text::printable(cause));
        }
        for line in failure.hint.iter().flat_map(|h| h.lines()) {
            let _ = writeln!(err, "{} {line}", self.paint(Style::Warn, "hint:"));
        }
        failure.exit
    }

    /// A reader that went away is no error: what is left is not written, and the command goes on to its end.
    fn write(&self, mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
        if self.closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.below.aside(|| to.write_all(bytes).and_then(|()| to.flush())) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            done => done,
        }
    }
}

/// Whether answers go to a terminal, be it through the pager that git itself has started.
fn shows_answers() -> bool {
    io::stdout().is_terminal() || std::env::var_os("GIT_PAGER_IN_USE").is_some_and(|v| v == "1" || v == "true")
}

fn paint(on: bool, style: Style, text: &str) -> String {
    if on { format!("\u{1b}[{}m{text}\u{1b}[0m", style.sgr()) } else { text.to_owned() }
}
