//! What an agent asks for in its workspace: taken out of what it left behind, and told to the journal.

pub(super) use crate::agent::request::FILE;
use crate::{
    agent::request,
    base::{Failure, Oid, text},
    git::{BStr, BString, Entry, Mode, Repo},
    journal::event::Kind,
};

/// The tree as if no request had been written, and what the journal is told of one.
pub(super) fn take(repo: &Repo, base: Oid, tree: Oid) -> Result<(Oid, Option<Kind>), Failure> {
    let at = |tree: Oid| repo.entry(tree, BStr::new(FILE));
    let (before, now) = (at(base)?, at(tree)?);
    let Some(found) = now.filter(|now| before.as_ref() != Some(now)) else { return Ok((tree, None)) };
    let clean = repo.write_tree(Some(tree), &[(BString::from(FILE), before.map(|b| (b.mode, b.oid)))])?;
    let told = match read(repo, &found) {
        Ok(request) => match request.amendment() {
            Some((reason, change)) => Kind::AmendmentRequested { reason, change: Some(change), contract: None },
            None => Kind::AmendmentRequested { reason: request.words(), change: None, contract: request.contract() },
        },
        Err(why) => {
            let detail = text::one_line(&format!("what stands in {FILE} is no request: {why}"), 400);
            Kind::AmendmentRejected { code: "invalid_field".into(), detail, request: None }
        }
    };
    Ok((clean, Some(told)))
}

fn read(repo: &Repo, entry: &Entry) -> Result<request::Request, String> {
    if entry.mode == Mode::Symlink || entry.mode == Mode::Submodule {
        return Err("it is no plain file".into());
    }
    request::read(&repo.read_blob(entry.oid, request::MAX).map_err(|e| e.to_string())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::Scratch;

    #[test]
    fn a_request_is_taken_out_and_told() {
        let s = Scratch::new();
        let base = s.tree(&[("a", "1")]);
        let built = s.tree(&[("a", "2")]);
        let with = |text: &str| s.tree(&[("a", "2"), (FILE, text)]);
        let take = |base, tree| super::take(&s.repo, base, tree).unwrap();
        assert_eq!(take(base, built), (built, None));
        let (tree, told) = take(base, with(r#"{"kind":"contract","reason":"the API lacks a field"}"#));
        assert_eq!(tree, built);
        let Some(Kind::AmendmentRequested { reason, change: None, contract: None }) = told else { panic!("{told:?}") };
        assert!(reason.contains("the API lacks a field"), "{reason}");
        let (_, told) = take(base, with(r#"{"kind":"amendment","reason":"empty","change":{"tasks":["x"]}}"#));
        let change = Some(r#"{"tasks":["x"]}"#.to_owned());
        assert_eq!(told, Some(Kind::AmendmentRequested { reason: "empty".into(), change, contract: None }));
        let secret = r#"{"kind":"amendment","reason":"x","change":{"tasks":["token=abcdefghijklmnopqrst"]}}"#;
        for bad in ["{}", "not json", &"x".repeat(100_000), secret] {
            let (tree, told) = take(base, with(bad));
            assert_eq!(tree, built);
            assert!(matches!(told, Some(Kind::AmendmentRejected { .. })), "{told:?}");
        }
        let link = (FILE.into(), Some((Mode::Symlink, s.repo.write_blob(b"/etc/passwd").unwrap())));
        let linked = s.repo.write_tree(Some(built), &[link]).unwrap();
        assert!(matches!(take(base, linked), (t, Some(Kind::AmendmentRejected { .. })) if t == built));
    }

    #[test]
    fn a_file_of_that_name_in_the_product_stays_its_own() {
        let s = Scratch::new();
        let base = s.tree(&[("a", "1"), (FILE, "theirs")]);
        assert_eq!(take(&s.repo, base, base).unwrap(), (base, None));
        let asks = s.tree(&[("a", "1"), (FILE, r#"{"kind":"amendment","reason":"x"}"#)]);
        assert!(matches!(take(&s.repo, base, asks).unwrap(), (t, Some(Kind::AmendmentRequested { .. })) if t == base));
    }
}
