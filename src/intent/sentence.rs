//! The fixed sentences: the word that begins each, where it may stand, and one that would be accepted.

/// Where a sentence may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the first `##`.
    Head,
    /// In a slice.
    Slice,
    /// In a slice, or across slices.
    Checks,
}

/// One sentence of the grammar.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    pub word: &'static str,
    pub place: Place,
    pub accepted: &'static str,
}

const fn s(word: &'static str, place: Place, accepted: &'static str) -> Sentence {
    Sentence { word, place, accepted }
}

pub(super) const TITLE: &str = "# What it is called";
pub(super) const SLICE: &str = "## Slice `name`, after `other` and `another`: A title";
pub(super) const HEADINGS: &str = "## Slice `name`, after `other`, or ## Requirements, or ## Across `one` and `other`";
pub(super) const REQUIREMENT: &str = "**R1** What must hold.";
pub(super) const KIND: &str = "Kind: `cli`, started as `./name`. Not: this, that.";

/// Every sentence; a word that begins another stands after it.
pub(super) const ALL: [Sentence; 31] = [
    s("Kind", Place::Head, KIND),
    s("Not", Place::Head, "Not: this, that."),
    s("Done means", Place::Head, "Done means: what a person sees when all is done."),
    s("Setup", Place::Head, "Setup: `npm ci`."),
    s("Shared", Place::Head, "Shared: `src/index.ts`, `docs/**`."),
    s("Version", Place::Head, "Version: at least `0.1.0`."),
    s("Command", Place::Head, "Command `add TEXT`: keeps a note."),
    s("Route", Place::Head, "Route `/` shows `Home` with `Welcome`."),
    s("Component", Place::Head, "Component `Home` shows `Welcome`."),
    s("Stores", Place::Head, "Stores `Note` with `id` and `text`."),
    s("Symbol", Place::Head, "Symbol `add`, a `function`, called as `add(a, b)`: adds two numbers."),
    s("Used as", Place::Head, "Used as `add(1, 2)`."),
    s("Endpoint", Place::Head, "Endpoint `GET /notes` answers `[Note]`, for `anyone`: lists the notes."),
    s("Health check", Place::Head, "Health check: `GET /health` answers 200."),
    s("Service", Place::Head, "Service `web`: `node` `server.js` is ready when `/health` answers, within 30 s."),
    s("Contract", Place::Head, "Contract `src/routes.ts`, owned by `front`, literal."),
    s("Keeps test", Place::Checks, "Keeps test: `sh tests/all.sh`."),
    s("Keeps pytest", Place::Checks, "Keeps pytest: `tests/test_notes.py`."),
    s("Keeps request", Place::Checks, "Keeps request: `GET /notes` to `web` answers 200."),
    s("Keeps invariant", Place::Checks, "Keeps invariant: `expression`: what it says."),
    s("Keeps", Place::Checks, "Keeps: `./name old` prints `x`."),
    s("Check", Place::Checks, "Check: `./name word` prints `x` and exits 0."),
    s("Test", Place::Checks, "Test: `sh tests/all.sh`."),
    s("Pytest", Place::Checks, "Pytest: `tests/test_notes.py::test_add`."),
    s("Request", Place::Checks, "Request: `GET /notes` to `web` answers 200 and contains `x`."),
    s("Invariant", Place::Checks, "Invariant: `expression`: what it says."),
    s("Proves", Place::Checks, "Proves: `R1` and `R2`."),
    s("Meets", Place::Slice, "Meets: `R1`."),
    s("Owns", Place::Slice, "Owns: `src/add.rs`, `tests/add/**`."),
    s("With file", Place::Checks, "With file `tests/add.sh`:"),
    s("File", Place::Slice, "File `path`, executable, second attempt:"),
];

/// The sentence that a text begins like, in any case: its word, then a colon, a code span, or `, in full`.
pub(super) fn like(text: &str) -> Option<&'static Sentence> {
    ALL.iter().find(|s| {
        let Some(head) = text.get(..s.word.len()) else { return false };
        let rest = &text[s.word.len()..];
        let follows = rest.trim_start().starts_with(':')
            || rest.trim_start_matches([' ', '\n']).starts_with('`') && !rest.starts_with('`')
            || rest.starts_with(", in full")
            // A path that is no code span: prose does not end its line with a colon and begin with this word.
            || s.word.ends_with("ile") && rest.starts_with(' ') && rest.lines().next().is_some_and(|l| l.ends_with(':'));
        head.eq_ignore_ascii_case(s.word) && follows
    })
}

/// The sentence whose word a text begins with but for one slip of the pen, as `Chekc:`.
pub(super) fn nearly(text: &str) -> Option<&'static Sentence> {
    let (word, _) = text.split_once(':').filter(|(w, _)| w.len() <= 20 && !w.contains('\n'))?;
    let word = word.trim().to_ascii_lowercase();
    if word == "note" {
        return None;
    }
    ALL.iter().find(|s| s.word.len() >= 4 && one_slip(&s.word.to_ascii_lowercase(), &word))
}

/// Whether a text begins like a label that no sentence has, as `Owned by:`.
pub(super) fn label(text: &str) -> Option<&str> {
    let (word, rest) = text.split_once(':')?;
    let plain = word.chars().count() <= 24 && word.chars().all(|c| c.is_alphabetic() || c == ' ');
    let label = plain && word.starts_with(char::is_uppercase) && word.split(' ').count() <= 2;
    (label && rest.starts_with([' ', '\n'])).then_some(word)
}

/// Whether `b` is `a` with one letter missing, added, changed, or two neighbours swapped.
fn one_slip(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let front = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[front..], &b[front..]);
    let back = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[..a.len() - back], &b[..b.len() - back]);
    match (a, b) {
        ([], [_]) | ([_], []) | ([_], [_]) => true,
        ([x, y], [u, v]) => x == v && y == u,
        _ => false,
    }
}

/// Whether a bold text looks like a requirement's id.
pub(super) fn is_requirement_id(text: &str) -> bool {
    let mut chars = text.chars();
    text.len() <= 63
        && chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !text.ends_with('.')
}

/// Whether a text begins with the number of a requirement in slanted type, as `*R1* It holds.`
pub(super) fn is_slanted_id(text: &str) -> bool {
    let slanted =
        |mark| text.strip_prefix(mark).and_then(|t: &str| t.split_once(mark)).is_some_and(|(t, _)| is_numbered(t));
    slanted('*') || slanted('_')
}

/// Whether a bold text can hardly be anything but a requirement's id: capitals, then a number.
pub(super) fn is_numbered(text: &str) -> bool {
    let text = text.trim_end_matches([':', '.']);
    let digits = text.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let letters = text.len() - digits.len();
    let digits = digits.trim_start_matches('-');
    (1..=3).contains(&letters) && !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}
