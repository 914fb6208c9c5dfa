//! What a hook answers: what git says of the moves about to be made, read and put before the verifier.

use std::{fs, io::Read};

use super::Name;
use crate::{
    base::{Env, Exit, Failure, Oid, text},
    git::{self, Head, Repo},
    store::names::{self, Named},
    verify::{self, Code, Update, Violation},
};

/// More than this of standard input is refused: a million refs are less.
const MAX_INPUT: u64 = 256 << 20;

/// The variable by which `hooks status` finds out whether git calls a hook. Whoever sets it gets a refusal with the
/// variable's value, so that it is no way around anything.
pub const CANARY: &str = "GIT_OTTO_CANARY";

/// What there is to say.
#[derive(Debug, Default)]
pub struct Said {
    /// What must not be.
    pub violations: Vec<Violation>,
    /// What is worth a line.
    pub notes: Vec<String>,
}

/// Judges what a hook was told. Nothing of this program is there: nothing to say.
pub fn answer(env: &Env, name: Name, args: &[String], stdin: impl Read) -> Result<Said, Failure> {
    match name {
        Name::PreCommit | Name::PreMergeCommit => commit(env),
        Name::ReferenceTransaction if args.first().is_none_or(|state| state != "prepared") => Ok(Said::default()),
        Name::ReferenceTransaction => {
            let lines = lines(stdin)?;
            let moves: Vec<Move<'_>> = lines.iter().map(|line| moved(line)).collect::<Result<_, _>>()?;
            let ours: Vec<_> = moves.into_iter().filter(|m| is_guarded(m.name)).collect();
            // Most transactions are no concern of ours: the repository is not opened for them.
            if ours.is_empty() { Ok(Said::default()) } else { transaction(&Repo::discover(env)?, &ours) }
        }
        Name::PrePush => push(env, args.first().map_or("", String::as_str), &lines(stdin)?),
        Name::PreReceive => {
            let lines = lines(stdin)?;
            let moves: Vec<Move<'_>> = lines.iter().map(|line| moved(line)).collect::<Result<_, _>>()?;
            receive(env, &moves)
        }
        Name::Update => {
            let [name, old, new] = args else { return Err(odd(&args.join(" "))) };
            let mut said = receive(env, &[Move { name, old, new }])?;
            said.violations.retain(|v| holds_alone(v.code));
            Ok(said)
        }
    }
}

/// A move of a ref as git words it.
struct Move<'a> {
    name: &'a str,
    old: &'a str,
    new: &'a str,
}

/// Standard input, line by line.
fn lines(stdin: impl Read) -> Result<Vec<String>, Failure> {
    let mut bytes = Vec::new();
    stdin.take(MAX_INPUT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(Failure::new(Exit::Refused, format!("git said more than {MAX_INPUT} bytes at once")));
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn moved(line: &str) -> Result<Move<'_>, Failure> {
    let mut parts = line.splitn(3, ' ');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(old), Some(new), Some(name)) => Ok(Move { name, old, new }),
        _ => Err(odd(line)),
    }
}

/// git never says such a thing: whoever does is not trusted.
fn odd(line: &str) -> Failure {
    Failure::new(Exit::Refused, format!("cannot read what git says of its refs: {:?}", text::one_line(line, 200)))
}

/// An id as git words it; none for zeros.
fn id(text: &str) -> Result<Option<Oid>, Failure> {
    let id: Oid = text.parse().map_err(|_| odd(text))?;
    Ok((!id.0.is_null()).then_some(id))
}

/// Whether a ref is this program's.
fn is_ours(name: &str) -> bool {
    names::what(name) != Named::Theirs
}

/// Whether a ref moves by rules where people work: what never leaves the repository is nobody's concern there.
fn is_guarded(name: &str) -> bool {
    is_ours(name) && names::what(name) != Named::Private
}

fn transaction(repo: &Repo, moves: &[Move<'_>]) -> Result<Said, Failure> {
    let mut updates = Vec::new();
    let mut said = Said::default();
    for m in moves {
        if m.new.starts_with("ref:") {
            said.violations.push(symbolic(m.name));
            continue;
        }
        let (new, now) = (id(m.new)?, repo.refs().read(m.name)?);
        // git says zero for what its caller did not name, packing refs shows each as if it were new, and then the file of
        // each as if it were removed.
        let tidied = new.is_none() && now.is_some_and(|now| repo.stays_packed(m.name, now));
        if new != now && !tidied {
            updates.push(Update { name: m.name.to_owned(), old: now, new });
        }
    }
    said.violations.extend(verify::updates(repo, &updates)?);
    Ok(said)
}

fn symbolic(name: &str) -> Violation {
    Violation {
        code: Code::NotForward,
        place: text::one_line(name, 200),
        commit: None,
        message: "a ref of git otto never points to another ref".into(),
        hint: "git otto verify --all".into(),
    }
}

/// What the index would commit, against what will be the parents. (An amended commit is compared with itself: git does not
/// tell its hooks.)
fn commit(env: &Env) -> Result<Said, Failure> {
    let repo = Repo::discover(env)?;
    if !repo.changes_staged(verify::COPIES.into())? {
        return Ok(Said::default());
    }
    let mut parents = match repo.head()? {
        Head::Branch(_, id) => Vec::from_iter(id),
        Head::Detached(id) => vec![id],
    };
    parents.extend(merged(env, &repo));
    let found = verify::index(&repo, &repo.index_path(), &parents)?;
    Ok(Said { violations: found.violations, notes: found.notes.into_iter().map(|n| n.message).collect() })
}

/// The commits that are being merged: git names them in variables while it merges, in a file when the merge had to wait.
fn merged(env: &Env, repo: &Repo) -> Vec<Oid> {
    let named = env.vars.keys().filter_map(|name| name.to_str()?.strip_prefix("GITHEAD_"));
    let waiting = fs::read_to_string(repo.git_dir().join("MERGE_HEAD")).unwrap_or_default();
    named.chain(waiting.lines()).filter_map(|id| id.parse().ok()).collect()
}

/// Each line: local name, local id, remote name, remote id. Judged as a server would, so that its refusal comes early.
fn push(env: &Env, remote: &str, lines: &[String]) -> Result<Said, Failure> {
    if lines.is_empty() {
        return Ok(Said::default());
    }
    let repo = Repo::discover(env)?;
    let (mut updates, mut tips, mut known) = (Vec::new(), Vec::new(), Vec::new());
    let mut said = Said::default();
    for line in lines {
        let parts: Vec<&str> = line.split(' ').collect();
        let [.., new, name, old] = parts[..] else { return Err(odd(line)) };
        let (new, old) = (id(new)?, id(old)?);
        if !is_ours(name) {
            known.extend(old);
            tips.extend(new.map_or(Ok(None), |new| repo.peel(new))?);
            continue;
        }
        match old.filter(|theirs| new.is_some() && repo.object_header(*theirs).is_err()) {
            Some(theirs) => said.violations.push(unfetched(name, theirs)),
            None => updates.push(Update { name: name.to_owned(), old, new }),
        }
    }
    said.violations.extend(verify::updates(&repo, &updates)?);
    if !tips.is_empty() {
        // What the remote had when it was last looked at.
        let had = repo.refs().list(&format!("refs/remotes/{remote}/")).unwrap_or_default();
        known.extend(had.into_iter().map(|(_, id)| id));
        let found = verify::commits(&repo, &tips, &known)?;
        said.violations.extend(found.violations);
        said.notes.extend(found.notes.into_iter().map(|n| n.message));
    }
    Ok(said)
}

fn unfetched(name: &str, theirs: Oid) -> Violation {
    Violation {
        code: Code::NotForward,
        place: text::one_line(name, 200),
        commit: Some(theirs),
        message: "the remote has something that is not here: the push would lose it".into(),
        hint: "git otto sync".into(),
    }
}

fn receive(env: &Env, moves: &[Move<'_>]) -> Result<Said, Failure> {
    let repo = Repo::discover(env)?;
    let update = |m: &Move<'_>| Ok(Update { name: m.name.to_owned(), old: id(m.old)?, new: id(m.new)? });
    let updates: Vec<Update> = moves.iter().map(update).collect::<Result<_, Failure>>()?;
    Ok(Said { violations: verify::updates(&repo, &updates)?, notes: Vec::new() })
}

/// Whether a rule can be judged by one ref of a push. The others ask about refs that the same push may bring, and that git
/// moves later, or all at once: those are judged before any of them.
fn holds_alone(code: Code) -> bool {
    matches!(code, Code::Record(_) | Code::NotForward | Code::BadName | Code::EvidenceChanged | Code::JournalChanged)
}

/// Whether a failure says that a repository cannot be read by this program at all.
pub fn is_unreadable(env: &Env) -> bool {
    matches!(Repo::discover(env), Err(git::Error::Unsupported { .. } | git::Error::Gix { .. }))
}
