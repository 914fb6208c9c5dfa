use std::sync::LazyLock;

use super::*;
use crate::{
    base::SpecId,
    spec::{
        self,
        model::{
            Spec,
            tier::{self, Author},
        },
    },
    store::{
        record::{self, By, Content, Kind, NewRecord, Phase},
        testing::{Fixture, git},
    },
    verify,
};

static START: LazyLock<(Spec, BTreeMap<crate::base::Sha256, Vec<u8>>)> = LazyLock::new(|| {
    let compiled = crate::intent::compile(include_bytes!("../../tests/intent-example.md"), "example", None).unwrap();
    (compiled.spec, compiled.files)
});

fn id() -> SpecId {
    START.0.id.clone()
}

/// Two repositories that share a third one.
struct Two {
    hub: tempfile::TempDir,
    a: Fixture,
    b: Fixture,
}

impl Two {
    /// Nothing is shared yet.
    fn apart() -> Two {
        let (hub, a, b) = (tempfile::tempdir().unwrap(), Fixture::new(), Fixture::new());
        git(hub.path(), &["init", "-q", "--bare", "."]);
        for side in [&a, &b] {
            side.git(&["remote", "add", "origin", hub.path().to_str().unwrap()]);
        }
        b.advance(100);
        Two { hub, a, b }
    }

    /// Both have the records.
    fn with(kinds: &[Kind]) -> Two {
        let two = Two::apart();
        kinds.iter().for_each(|kind| two.a.put(*kind, |_| ()));
        two.a.share(None);
        two.b.share(None);
        assert_eq!(two.a.tip(), two.b.tip());
        two
    }

    /// What was done on the one side is shared; then the other comes.
    fn meets(&self, side: Option<Side>) -> Report {
        assert!(self.a.share(None).is_clean());
        self.b.share(side)
    }

    /// Both have the same, which verifies; the spec and where it stands.
    fn agree(&self) -> (Spec, Phase) {
        assert!(self.a.share(None).is_clean());
        assert_eq!(self.a.tip(), self.b.tip());
        let shared = git(self.hub.path(), &["rev-parse", &names::spec(&id())]).stdout;
        assert_eq!(String::from_utf8(shared).unwrap().trim(), self.a.tip().to_string());
        for side in [&self.a, &self.b] {
            assert_eq!(verify::spec_here(&side.store.repo, &id()).unwrap().1, []);
        }
        (self.b.spec(), record::load(&self.b.store.repo, self.b.tip()).unwrap().record.kind.phase())
    }
}

impl Fixture {
    fn tip(&self) -> Oid {
        record::tip(&self.store.repo, &id()).unwrap().unwrap()
    }

    fn spec(&self) -> Spec {
        crate::spec::join::read(&record::load(&self.store.repo, self.tip()).unwrap()).unwrap()
    }

    /// Appends a record with a change.
    fn put(&self, kind: Kind, change: impl Fn(&mut Spec)) {
        let old = record::tip(&self.store.repo, &id()).unwrap();
        let mut new = old.map_or_else(|| START.0.clone(), |_| self.spec());
        change(&mut new);
        let bytes = spec::write(&new);
        let content = (!kind.keeps_content()).then_some(Content { spec: &bytes, files: &START.1 });
        let judged = || tier::judge(&self.spec(), &new, Author::User { override_intent: true }).unwrap().number();
        let tier = (kind == Kind::Amend).then(judged);
        let by = if kind == Kind::Compile { By::Otto } else { By::User };
        let reason = "For a test.";
        let record =
            NewRecord { kind, by, title: &new.title, reason, trigger: None, tier, content, cost: None, merges: None };
        record::append(&self.store, &id(), record, old).unwrap();
        self.advance(1);
    }

    fn share(&self, side: Option<Side>) -> Report {
        let decision = side.map(|side| Decision { side, reason: String::new() });
        let options = Options { remote: "origin".into(), branches: true, decision, ..Options::default() };
        sync(&self.store, &options).unwrap()
    }

    fn history(&self) -> Vec<Oid> {
        record::history(&self.store.repo, self.tip()).unwrap().into_iter().map(|s| s.commit).collect()
    }
}

fn title(to: &str) -> impl Fn(&mut Spec) + '_ {
    move |spec| spec.title = to.into()
}

fn non_goal(spec: &mut Spec) {
    spec.non_goals = vec!["speed".into()];
}

/// The spec is open, for that reason, and nothing moved.
#[track_caller]
fn asks(report: &Report, why: &str) {
    let [open] = report.open.as_slice() else { panic!("{report:?}") };
    assert!(open.message.contains(why), "{}", open.message);
    assert!(report.fetched.is_empty() && report.pushed.is_empty(), "{report:?}");
}

#[test]
fn two_edits_of_a_draft_are_one_draft() {
    let two = Two::with(&[Kind::Compile]);
    two.a.put(Kind::Edit, title("There"));
    two.b.put(Kind::Edit, non_goal);
    let left = two.b.tip();
    assert!(two.meets(None).is_clean());
    let (spec, phase) = two.agree();
    assert_eq!((spec.title.as_str(), spec.non_goals.len(), phase), ("There", 1, Phase::Draft));
    let kept = two.b.store.repo.refs().read(&names::rescue_spec(&id(), left)).unwrap();
    assert_eq!(kept, Some(left), "what gave way is kept");
}

#[test]
fn the_same_edited_twice_is_asked() {
    for (side, wins) in [(Side::Ours, "Here"), (Side::Theirs, "There")] {
        let two = Two::with(&[Kind::Compile]);
        two.a.put(Kind::Edit, title("There"));
        two.b.put(Kind::Edit, title("Here"));
        asks(&two.meets(None), "both sides edited the draft");
        assert!(two.b.share(Some(side)).is_clean());
        assert_eq!(two.agree().0.title, wins);
    }
}

#[test]
fn an_edit_of_what_was_approved_there_becomes_an_amendment_or_gives_way() {
    for (side, wins) in [(Side::Ours, "Here"), (Side::Theirs, START.0.title.as_str())] {
        let two = Two::with(&[Kind::Compile]);
        two.a.put(Kind::Approve, |_| ());
        two.b.put(Kind::Edit, title("Here"));
        asks(&two.meets(None), "approved it on origin");
        assert!(two.b.share(Some(side)).is_clean());
        let (spec, phase) = two.agree();
        assert_eq!((spec.title.as_str(), phase), (wins, Phase::Approved));
    }
}

#[test]
fn an_edit_there_of_what_was_approved_here_is_approved_or_taken_back() {
    for (side, wins) in [(Side::Ours, START.0.title.as_str()), (Side::Theirs, "There")] {
        let two = Two::with(&[Kind::Compile]);
        two.a.put(Kind::Edit, title("There"));
        two.b.put(Kind::Approve, |_| ());
        two.b.put(Kind::Amend, non_goal);
        let (here, there) = (two.b.tip(), two.a.tip());
        asks(&two.meets(None), "edited the draft on origin after it was approved here");
        assert!(two.b.share(Some(side)).is_clean());
        let (spec, phase) = two.agree();
        assert_eq!((spec.title.as_str(), spec.non_goals.len(), phase), (wins, 1, Phase::Approved), "{side:?}");
        let history = two.b.history();
        assert!(history.contains(&here) && history.contains(&there), "nothing approved is lost");
    }
}

#[test]
fn two_approvals_of_the_same_are_joined() {
    let two = Two::with(&[Kind::Compile]);
    for side in [&two.a, &two.b] {
        side.put(Kind::Approve, |_| ());
    }
    assert!(two.meets(None).is_clean());
    assert_eq!(two.agree().1, Phase::Approved);
}

#[test]
fn an_amendment_counts_more_than_a_close_and_nothing_follows_one() {
    let two = Two::with(&[Kind::Compile, Kind::Approve]);
    two.a.put(Kind::Amend, title("There"));
    two.b.put(Kind::Close, |_| ());
    assert!(two.meets(None).is_clean());
    assert_eq!(two.agree().1, Phase::Approved);

    let two = Two::with(&[Kind::Compile, Kind::Approve]);
    two.a.put(Kind::Close, |_| ());
    two.b.put(Kind::Amend, title("Here"));
    asks(&two.meets(None), "was closed on origin");
    asks(&two.b.share(Some(Side::Ours)), "was closed on origin");
    assert!(two.b.share(Some(Side::Theirs)).is_clean());
    assert_eq!(two.agree().1, Phase::Closed);
}

#[test]
fn an_amendment_beside_a_close_of_an_amendment_is_merged() {
    let two = Two::with(&[Kind::Compile, Kind::Approve]);
    two.a.put(Kind::Amend, title("There"));
    two.b.put(Kind::Amend, non_goal);
    two.b.put(Kind::Close, |_| ());
    assert!(two.meets(None).is_clean());
    let (spec, phase) = two.agree();
    assert_eq!((spec.title.as_str(), spec.non_goals.len(), phase), ("There", 1, Phase::Approved));
}

#[test]
fn two_specs_of_one_name_are_not_mixed() {
    let two = Two::apart();
    two.a.put(Kind::Compile, title("There"));
    two.b.put(Kind::Compile, title("Here"));
    asks(&two.meets(None), "nothing in common");
    assert!(two.b.share(Some(Side::Theirs)).is_clean());
    assert_eq!(two.agree().0.title, "There");
    // The same, compiled twice, is no question.
    let two = Two::apart();
    two.a.put(Kind::Compile, |_| ());
    two.b.put(Kind::Compile, |_| ());
    assert_ne!(two.a.tip(), two.b.tip());
    assert!(two.meets(None).is_clean());
    two.agree();
}

#[test]
fn what_breaks_a_rule_only_together_is_asked_and_decided_as_a_whole() {
    let two = Two::with(&[Kind::Compile, Kind::Approve]);
    let own = |at: usize, path: &'static str| move |spec: &mut Spec| spec.slices[at].owned_paths.push(path.into());
    // Neither of the last two depends on the other.
    let (x, y) = (START.0.slices.len() - 2, START.0.slices.len() - 1);
    two.a.put(Kind::Amend, own(x, "shared/place"));
    two.b.put(Kind::Amend, own(y, "shared/place"));
    let report = two.meets(None);
    asks(&report, "both sides changed it");
    assert!(report.open[0].disputes[0].place.contains("shared/place"), "{report:?}");
    assert!(two.b.share(Some(Side::Ours)).is_clean());
    let spec = two.agree().0;
    let owners: Vec<usize> =
        (0..=y).filter(|n| spec.slices[*n].owned_paths.contains(&"shared/place".to_owned())).collect();
    assert_eq!(owners, [y]);
}

#[test]
fn a_merge_that_says_more_than_its_parents_is_found() {
    let two = Two::with(&[Kind::Compile, Kind::Approve]);
    two.a.put(Kind::Amend, title("There"));
    two.b.put(Kind::Amend, non_goal);
    let (there, base) = (two.a.tip(), two.a.history()[1]);
    assert!(two.a.share(None).is_clean());
    two.b.git(&["fetch", "-q", "origin", &format!("{there}:refs/other")]);
    let mut more = two.b.spec();
    more.title = "There".into();
    for (extra, sound) in [(false, true), (true, false)] {
        if extra {
            more.done_means = vec!["nobody asked for this".into()];
        }
        let bytes = spec::write(&more);
        let record = NewRecord {
            kind: Kind::Merge,
            by: By::Otto,
            title: &more.title,
            reason: "",
            trigger: None,
            tier: None,
            content: Some(Content { spec: &bytes, files: &START.1 }),
            cost: None,
            merges: Some((there, base)),
        };
        let made = record::prepare(&two.b.store, &id(), record, Some(two.b.tip())).unwrap().commit;
        let found = verify::spec(&two.b.store.repo, &id(), made);
        let codes: Vec<verify::Code> = found.iter().map(|v| v.code).collect();
        assert_eq!(codes, if sound { vec![] } else { vec![verify::Code::MergeForged] });
    }
}
