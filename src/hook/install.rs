//! Plans how git comes to call the hooks, beside whatever it calls already.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    Name, Side,
    files::{self, ASIDE, Change, Content, Keep, Planned, Record},
    program,
    shim::{self, Next},
};
use crate::{
    base::{Exit, Failure, Faults},
    git::{HooksPath, Repo},
    store::names,
};

/// The first git that takes hooks from its configuration.
pub const CONFIGURED_HOOKS: (u32, u32) = (2, 54);

/// What lefthook reads besides the project's own file, best first.
const LEFTHOOK_LOCAL: [&str; 2] = ["lefthook-local.yml", "lefthook-local.yaml"];

/// How git comes to call a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seat {
    /// Its configuration names the shim, whatever else there is.
    Configured(PathBuf),
    /// It finds the shim in its folder of hooks, or whoever it calls there does.
    File(PathBuf),
    /// lefthook runs a job.
    Job(PathBuf),
}

/// What an installation would do.
#[derive(Debug)]
pub struct Plan {
    /// The files that change, the repository's configuration among them.
    pub changes: Vec<Change>,
    /// The keys of the configuration that change, and what they were.
    keys: Vec<(String, Vec<String>)>,
    /// How git comes to call each hook.
    pub seats: Vec<(Name, Seat)>,
    /// What else there is to know.
    pub notes: Vec<String>,
    server: bool,
}

impl Plan {
    /// Makes the changes. What is needed to undo them is kept first.
    pub fn perform(&self, repo: &Repo, faults: &Faults) -> Result<(), Failure> {
        let keep = Keep::new(repo.common_dir());
        keep.store(&self.changes, self.keys.clone(), self.server, keep.load()?.as_ref())?;
        self.changes.iter().try_for_each(|change| change.make(faults))
    }
}

/// Plans an installation: from what was there before any earlier one, so that twice is as once.
pub fn plan(repo: &Repo, side: Side, tracked: bool) -> Result<Plan, Failure> {
    let mut planned = Planned::default();
    let mut notes = Vec::new();
    let mut keys = Vec::new();
    let keep = Keep::new(repo.common_dir());
    if let Some(record) = keep.load()? {
        for path in undo(repo, &keep, &record, &mut planned)? {
            notes.push(format!("{} was changed since the last installation", path.display()));
        }
        keys.clone_from(&record.keys);
    }
    if side == Side::Client && repo.work_dir().is_none() {
        let text = "this repository has no checkout: nobody commits here";
        return Err(Failure::new(Exit::Usage, text).hint("git otto hooks install --server"));
    }
    let mut work = Work { repo, keep, planned, notes, keys, set: Vec::new(), seats: Vec::new() };
    if repo.git_version()? >= CONFIGURED_HOOKS && !tracked {
        work.configure(side)?;
    } else {
        work.in_folder(side, tracked)?;
    }
    if side == Side::Server {
        work.serve()?;
    }
    work.done(side)
}

/// Plans that everything becomes as it was. Answers what somebody has changed since, which is left alone.
pub fn undo(repo: &Repo, keep: &Keep<'_>, record: &Record, planned: &mut Planned) -> Result<Vec<PathBuf>, Failure> {
    let mut left = keep.undo(record, planned)?;
    // Others write into the configuration as well: then only our keys go back.
    let file = repo.config_file();
    if let Some(at) = left.iter().position(|path| *path == file)
        && let Some(Content::File { bytes, mode }) = planned.read(&file)?
    {
        left.remove(at);
        let ours = keep.folder().display().to_string();
        let mut back = Vec::new();
        for (key, before) in &record.keys {
            let now = repo.own_config(key)?;
            let is_ours = !now.is_empty() && now.iter().all(|v| v.starts_with(&ours));
            if key.starts_with("hook.") || is_ours {
                back.push((key.clone(), before.clone()));
            } else {
                let kept = now
                    .into_iter()
                    .filter(|v| before.contains(v) || v != names::fetched_prefix().trim_end_matches('/'));
                back.push((key.clone(), kept.collect()));
            }
        }
        let bytes = repo.edited_config(&bytes, &back)?;
        planned.put(file, Some(Content::File { bytes, mode }));
    }
    Ok(left)
}

struct Work<'a> {
    repo: &'a Repo,
    keep: Keep<'a>,
    planned: Planned,
    notes: Vec<String>,
    /// What keys were before the first installation.
    keys: Vec<(String, Vec<String>)>,
    /// What keys are to be.
    set: Vec<(String, Vec<String>)>,
    seats: Vec<(Name, Seat)>,
}

impl Work<'_> {
    /// git's configuration names the shims, which then stand beside all other hooks.
    fn configure(&mut self, side: Side) -> Result<(), Failure> {
        let folder = self.keep.folder();
        for name in Name::of(side) {
            let path = folder.join(name.word());
            self.planned.put(path.clone(), Some(self.shim(name, &folder, &Next::Nothing)));
            self.set.push((format!("hook.otto-{name}.event"), vec![name.word().into()]));
            self.set.push((format!("hook.otto-{name}.command"), vec![Next::at(&words(&path)?)]));
            self.seats.push((name, Seat::Configured(path)));
        }
        Ok(())
    }

    /// The shims stand in a folder of hooks.
    fn in_folder(&mut self, side: Side, tracked: bool) -> Result<(), Failure> {
        let hooks = self.hooks_path()?;
        let (inside, ignored) = self.checked_out(&hooks.dir)?;
        let husky = hooks.dir.ends_with(".husky/_");
        let folder = match (tracked, inside && !ignored) {
            (true, _) if husky => hooks.dir.parent().unwrap_or(&hooks.dir).to_owned(),
            (true, true) => hooks.dir.clone(),
            (true, false) => {
                let text =
                    format!("the hooks of this repository stand in {}, which is not tracked", hooks.dir.display());
                return Err(Failure::new(Exit::Usage, text).hint("git otto hooks install"));
            }
            (false, shared) if shared || !hooks.own => return self.relay(side, &hooks),
            (false, _) => hooks.dir.clone(),
        };
        if husky && !tracked {
            self.notes.push(
                "husky writes its files anew whenever it is started: `git otto hooks status` says when ours are gone; \
                 `git otto hooks install --tracked` writes into .husky instead, for everybody who has this repository"
                    .into(),
            );
        }
        for name in Name::of(side) {
            // husky calls no file of that name.
            let own = husky && tracked && name == Name::ReferenceTransaction;
            self.seat(name, if own { &hooks.dir } else { &folder }, husky)?;
        }
        Ok(())
    }

    /// A folder of our own, before one that others share: its hooks are called from ours, those of other names too.
    fn relay(&mut self, side: Side, hooks: &HooksPath) -> Result<(), Failure> {
        let folder = self.keep.folder();
        let set = hooks.set.as_deref().unwrap_or(&hooks.dir);
        // A relative one means the checkout that git is in.
        let next = |name: &str| {
            let path = if set.is_relative() { Path::new(".").join(set) } else { set.to_owned() };
            words(&path.join(name)).map(|path| Next::Program(Next::at(&path)))
        };
        for name in Name::of(side) {
            let path = folder.join(name.word());
            self.planned.put(path.clone(), Some(self.shim(name, &folder, &next(name.word())?)));
            self.seats.push((name, Seat::File(path)));
        }
        for other in fs::read_dir(&hooks.dir).into_iter().flatten().flatten() {
            let Ok(name) = other.file_name().into_string() else { continue };
            let runs = fs::metadata(other.path()).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
            if runs && !name.contains('.') && name.parse::<Name>().is_err() {
                self.planned.put(folder.join(&name), Some(Content::program(shim::relay(&name, &next(&name)?).into())));
            }
        }
        let whose = if hooks.own { "is tracked" } else { "serves other repositories too" };
        self.notes.push(format!(
            "{} {whose}, so that git looks into {} first, and goes on from there; a hook of another name that is added \
             later is called after the next `git otto hooks install`",
            hooks.dir.display(),
            folder.display(),
        ));
        self.set.push(("core.hooksPath".into(), vec![words(&folder)?]));
        Ok(())
    }

    /// Puts a shim where git, or who it calls, finds it; what is there is called from the shim.
    fn seat(&mut self, name: Name, folder: &Path, husky: bool) -> Result<(), Failure> {
        let mut path = folder.join(name.word());
        let mut found = self.planned.read(&path)?;
        let text = |found: &Option<Content>| {
            found.as_ref().map(|c| String::from_utf8_lossy(c.bytes()).into_owned()).unwrap_or_default()
        };
        if shim::is_lefthook(&text(&found)) {
            return self.job(name);
        }
        if shim::is_managed(&text(&found)) {
            // They call what they found at their own installation first, and put it back at the end.
            path = folder.join(format!("{name}.legacy"));
            found = self.planned.read(&path)?;
        }
        let file = path.file_name().and_then(OsStr::to_str).unwrap_or_default().to_owned();
        let aside = format!("{file}.before-otto");
        let next = match found {
            None => Next::Nothing,
            // Somebody who shares a tracked folder installed it, or the record of it was lost.
            Some(found) if shim::is_ours(found.bytes()) => {
                self.seats.push((name, Seat::File(path)));
                return Ok(());
            }
            Some(_) if husky && folder.ends_with("_") => Next::Husky,
            Some(Content::Link(to)) => {
                // One program under many names looks at its own, so that the name stays.
                let to = if to.is_absolute() { to } else { Path::new("..").join(to) };
                self.aside(folder.join(ASIDE).join(&file), Content::Link(to))?;
                Next::Program(Next::beside(&format!("{ASIDE}/{file}")))
            }
            Some(found) => {
                self.aside(folder.join(&aside), found)?;
                match husky {
                    true => Next::HuskyScript(Next::beside(&aside)),
                    false => Next::Program(Next::beside(&aside)),
                }
            }
        };
        self.planned.put(path.clone(), Some(self.shim(name, folder, &next)));
        self.seats.push((name, Seat::File(path)));
        Ok(())
    }

    /// A shim for a folder: a program, where there is one, nothing comes after it, and the folder is the repository's own.
    fn shim(&self, name: Name, folder: &Path, next: &Next) -> Content {
        let common_dir = real(self.repo.common_dir());
        let is_alone = *next == Next::Nothing && real(folder).starts_with(&common_dir);
        let program = if is_alone { program::of(name, &common_dir) } else { None };
        Content::program(program.unwrap_or_else(|| shim::of(name, next).into()))
    }

    /// Keeps a hook beside the shim that calls it.
    fn aside(&mut self, path: PathBuf, content: Content) -> Result<(), Failure> {
        if self.planned.read(&path)?.is_some_and(|there| there != content) {
            let text = format!("{} is in the way", path.display());
            return Err(Failure::new(Exit::Refused, text).hint(format!("mv {0} {0}.mine", path.display())));
        }
        self.planned.put(path, Some(content));
        Ok(())
    }

    /// lefthook takes its files back whenever it sees that they are others', so that it is asked to run a job.
    fn job(&mut self, name: Name) -> Result<(), Failure> {
        let Some(checkout) = self.repo.work_dir() else { return Ok(()) };
        let there = |file: &&str| checkout.join(file).exists();
        let file = LEFTHOOK_LOCAL.into_iter().find(there).unwrap_or(LEFTHOOK_LOCAL[0]);
        let path = checkout.join(file);
        let (text, mode) = match self.planned.read(&path)? {
            Some(Content::File { bytes, mode }) => (String::from_utf8_lossy(&bytes).into_owned(), mode),
            _ => (String::new(), 0o644),
        };
        let stdin = if name == Name::PrePush { "      use_stdin: true\n" } else { "" };
        let job = format!("{name}:\n  jobs:\n    - name: git-otto\n{stdin}      run: {}\n", shim::job(name));
        if text.lines().any(|line| line.starts_with(&format!("{name}:"))) {
            let text = format!("{} has jobs for {name} already; ours has to be written there by hand", path.display());
            return Err(Failure::new(Exit::Refused, text).hint(job));
        }
        if !self.repo.git(&["ls-files", "--", file], None)?.ok()?.is_empty() {
            let text = format!("{} is tracked; lefthook means it for one person", path.display());
            return Err(Failure::new(Exit::Refused, text).hint(format!("git rm --cached {file}")));
        }
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let bytes = format!("{text}{gap}{job}").into_bytes();
        self.planned.put(path.clone(), Some(Content::File { bytes, mode }));
        self.exclude(file)?;
        self.seats.push((name, Seat::Job(path)));
        Ok(())
    }

    /// Has git ignore a file of the checkout, in this repository only.
    fn exclude(&mut self, file: &str) -> Result<(), Failure> {
        let list = self.repo.common_dir().join("info/exclude");
        let (text, mode) = match self.planned.read(&list)? {
            Some(Content::File { bytes, mode }) => (String::from_utf8_lossy(&bytes).into_owned(), mode),
            _ => (String::new(), 0o644),
        };
        let line = format!("/{file}");
        if text.lines().any(|l| l == line) || self.ignores(file)? {
            return Ok(());
        }
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let bytes = format!("{text}{gap}{line}\n").into_bytes();
        self.planned.put(list, Some(Content::File { bytes, mode }));
        Ok(())
    }

    /// What a server needs besides: what was fetched is shown to nobody and pushed by nobody.
    fn serve(&mut self) -> Result<(), Failure> {
        let mut hidden = self.own("receive.hideRefs")?;
        let fetched = names::fetched_prefix().trim_end_matches('/').to_owned();
        if !hidden.contains(&fetched) {
            hidden.push(fetched);
        }
        self.set.push(("receive.hideRefs".into(), hidden));
        self.notes.extend(super::status::server_settings(self.repo)?);
        Ok(())
    }

    /// What a key was before the first installation.
    fn own(&self, key: &str) -> Result<Vec<String>, Failure> {
        match self.keys.iter().find(|(k, _)| k == key) {
            Some((_, before)) => Ok(before.clone()),
            None => Ok(self.repo.own_config(key)?),
        }
    }

    /// Where git looked for hooks before the first installation.
    fn hooks_path(&self) -> Result<HooksPath, Failure> {
        let now = self.repo.hooks_path()?;
        if now.dir != self.keep.folder() {
            return Ok(now);
        }
        let before = self.own("core.hooksPath")?;
        Ok(match before.last() {
            Some(path) => {
                let from = self.repo.work_dir().unwrap_or(self.repo.git_dir());
                HooksPath { dir: from.join(path), set: Some(path.into()), own: true }
            }
            None => self.repo.shared_hooks_path()?,
        })
    }

    /// Whether a folder is part of the checkout, and if so, whether git ignores it.
    fn checked_out(&self, folder: &Path) -> Result<(bool, bool), Failure> {
        let (folder, Some(checkout)) = (real(folder), self.repo.work_dir().map(real)) else {
            return Ok((false, false));
        };
        let private = folder.starts_with(real(self.repo.common_dir())) || folder.starts_with(real(self.repo.git_dir()));
        match folder.strip_prefix(&checkout) {
            Ok(inside) if !private => Ok((true, self.ignores(&words(&inside.join("pre-commit"))?)?)),
            _ => Ok((false, false)),
        }
    }

    fn ignores(&self, path: &str) -> Result<bool, Failure> {
        Ok(self.repo.git(&["check-ignore", "--quiet", "--", path], None)?.code == Some(0))
    }

    fn done(mut self, side: Side) -> Result<Plan, Failure> {
        let file = self.repo.config_file();
        if let Some(Content::File { bytes, mode }) = self.planned.read(&file)? {
            let bytes = self.repo.edited_config(&bytes, &self.set)?;
            self.planned.put(file, Some(Content::File { bytes, mode }));
        }
        let mut keys = Vec::new();
        for (key, _) in &self.set {
            keys.push((key.clone(), self.own(key)?));
        }
        let changes = self.planned.changes()?;
        Ok(Plan { changes, keys, seats: self.seats, notes: self.notes, server: side == Side::Server })
    }
}

/// The file in which lefthook finds our job for a hook, if any has one.
pub fn lefthook_job(repo: &Repo, name: Name) -> Result<Option<PathBuf>, Failure> {
    let Some(checkout) = repo.work_dir() else { return Ok(None) };
    for file in LEFTHOOK_LOCAL {
        let path = checkout.join(file);
        let text = files::read(&path)?.map(|c| String::from_utf8_lossy(c.bytes()).into_owned()).unwrap_or_default();
        if text.contains(&shim::job(name)) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// A path without symbolic links, where there is something.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// A path as it stands in shims and configuration.
fn words(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control));
    text.map(str::to_owned).ok_or_else(|| {
        Failure::new(Exit::Refused, format!("{:?} cannot stand in a configuration file", path.display().to_string()))
            .hint("git config --show-origin core.hooksPath")
    })
}
