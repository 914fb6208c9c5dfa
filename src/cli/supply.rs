//! What a run gives to its workspaces and checkouts besides their trees: files of the user's that they agreed to, and what
//! lock files name.

use crate::{
    base::{
        Exit, Failure, Oid, Sha256,
        text::{count, one_line},
    },
    cli::Start,
    gate::{self, Supply},
    store::Store,
    workspace::{
        Carried,
        carry::{self, FILE, Found},
    },
};

/// The key that says whether files are carried: `true`, `false`, or what was answered about which rules.
const CARRY: &str = "otto.carry";
/// How many names are told.
const TOLD: usize = 20;

/// What checkouts get, by the rules of a base's tree. A person at a terminal is asked once about files that they have not
/// agreed to; without one nothing is carried.
pub fn supply(start: &Start, store: &Store, tree: Oid) -> Result<Supply, Failure> {
    let cache = match is_off(store)? {
        true => None,
        false => Some(gate::cache(&start.world, &store.repo)?),
    };
    Ok(Supply::new(&start.world, carried(start, store, tree)?, cache))
}

/// Whether no setup by lock files is wanted (`otto.setup`).
pub fn is_off(store: &Store) -> Result<bool, Failure> {
    match store.repo.config("otto.setup").as_deref() {
        None | Some("auto") => Ok(false),
        Some("off") => Ok(true),
        Some(other) => {
            let text = format!("otto.setup is {:?}; there are auto and off", one_line(other, 80));
            Err(Failure::new(Exit::Usage, text).hint("git config otto.setup auto"))
        }
    }
}

fn carried(start: &Start, store: &Store, tree: Oid) -> Result<Carried, Failure> {
    let Some(rules) = carry::rules(&store.repo, tree)? else { return Ok(Carried::default()) };
    let answer = |word: &str| format!("{word}:{}", Sha256::of(&rules).short());
    let known = store.repo.config(CARRY);
    let agreed = match known.as_deref() {
        Some("false") => return Ok(Carried::default()),
        Some(known) if known == answer("no") => return Ok(Carried::default()),
        Some(known) => known == "true" || known == answer("yes"),
        None => false,
    };
    let found = carry::find(&store.repo, &rules)?;
    if agreed || found.carried.files().is_empty() {
        return Ok(found.carried);
    }
    let what = words(&found);
    if !start.ui.can_ask() {
        start.ui.say(&format!("not carried: {what}; to carry them: git config {CARRY} true"))?;
        return Ok(Carried::default());
    }
    start.ui.say(&format!("{FILE} names {what}."))?;
    start.ui.say("Agents and checks would get a copy, and an agent may send what it reads to its model; nothing of it is committed.")?;
    let yes = loop {
        match start.ui.ask("carry them? [y]es, [n]o: ")?.to_lowercase().as_str() {
            "y" | "yes" => break true,
            "n" | "no" | "" => break false,
            other => start.ui.say(&format!("{other:?} is neither y nor n"))?,
        }
    };
    let kept = answer(if yes { "yes" } else { "no" });
    store.repo.git(&["config", "--local", CARRY, &kept], None)?.ok()?;
    start.ui.say(&format!("kept as {CARRY} in this repository's configuration, until {FILE} changes"))?;
    Ok(if yes { found.carried } else { Carried::default() })
}

/// How many files, how large, and which.
fn words(found: &Found) -> String {
    let files = found.carried.files();
    let bytes: usize = files.iter().map(|f| f.content.len()).sum();
    let mut names: Vec<String> = files.iter().take(TOLD).map(|f| one_line(&f.path.to_string(), 100)).collect();
    if files.len() > TOLD {
        names.push(format!("and {} more", files.len() - TOLD));
    }
    let out = match found.left_out.len() {
        0 => String::new(),
        n => format!("; {} left out, being links or otto's own", count(n, "more")),
    };
    let (files, size) = (count(files.len(), "file"), bytes.div_ceil(1024));
    format!("{files} that git ignores ({size} KiB: {}{out})", names.join(", "))
}
