//! What the history of a spec allows: whoever builds a product and amends what it is judged by is told, and caps the
//! verdict. Pure.

use std::collections::BTreeMap;

use crate::{
    base::{Oid, SpecId, text::one_line},
    journal::event::{Finding, Verdict},
};

/// From so many amendments by agents on the spec is no longer what people approved.
const MANY: usize = 5;
/// From so many amendments on it counts how many of them are one agent's.
const SOME: usize = 4;

/// The history of a spec up to the version that is judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Rules that its records break, in words.
    pub broken: Vec<String>,
    /// The amendments since its approval.
    pub amended: Vec<Amended>,
}

/// An amendment.
#[derive(Clone, Debug, PartialEq)]
pub struct Amended {
    /// Its record.
    pub commit: Oid,
    /// The agent that made it, where it was one.
    pub agent: Option<Agent>,
}

/// An agent that amended.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// The event that it says it answers.
    pub trigger: Option<String>,
    /// Whether the journal of a run has that event.
    pub known: bool,
}

/// What the history caps, each with why.
pub fn judge(spec: &SpecId, history: &History) -> Vec<Finding> {
    let find = |cap, text: String| Finding { about: spec.to_string(), text, cap };
    let broken = history.broken.iter();
    let mut out: Vec<Finding> =
        broken.map(|why| find(Verdict::Blocked, format!("the spec's history is broken: {why}"))).collect();
    let mut by: BTreeMap<&str, usize> = BTreeMap::new();
    for Amended { commit, agent } in &history.amended {
        let Some(Agent { name, trigger, known }) = agent else { continue };
        *by.entry(name).or_default() += 1;
        let who = format!("the amendment {} by {}", commit.short(), one_line(name, 80));
        match trigger.as_deref().filter(|t| !t.is_empty()) {
            None => out.push(find(Verdict::Partial, format!("{who} names no event that it answers"))),
            Some(event) if !known => {
                let event = one_line(event, 80);
                out.push(find(Verdict::Partial, format!("{who} answers the event {event}, which is in no journal")));
            }
            Some(_) => {}
        }
    }
    let (all, agents) = (history.amended.len(), by.values().sum::<usize>());
    if agents >= MANY {
        out.push(find(Verdict::Partial, format!("agents amended the spec {agents} times since its approval")));
    }
    for (name, n) in by.into_iter().filter(|(_, n)| all >= SOME && n * 2 > all) {
        let name = one_line(name, 80);
        out.push(find(Verdict::Partial, format!("{name} made {n} of the {all} amendments of the spec")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Amendments: `-` by a person, else by the agent of that name; `?` has no trigger, `!` one that nobody knows.
    fn told(amendments: &str) -> Vec<String> {
        let amended = amendments.split_whitespace().enumerate().map(|(i, who)| Amended {
            commit: format!("{i:040}").parse().unwrap(),
            agent: (who != "-").then(|| Agent {
                name: who.trim_end_matches(['?', '!']).to_owned(),
                trigger: (!who.ends_with('?')).then(|| format!("a-{i}")),
                known: !who.ends_with('!'),
            }),
        });
        let history = History { broken: Vec::new(), amended: amended.collect() };
        let found = judge(&"jot".parse().unwrap(), &history);
        assert!(found.iter().all(|f| f.cap == Verdict::Partial && f.about == "jot"), "{found:?}");
        found.into_iter().map(|f| f.text).collect()
    }

    #[test]
    fn people_may_amend_as_they_like_and_agents_a_little() {
        for fine in ["", "- - - - - - - -", "x y z -", "x x x", "x x y y", "x x - -", "- - - - x x x x"] {
            assert_eq!(told(fine), Vec::<String>::new(), "{fine}");
        }
    }

    #[test]
    fn five_by_agents_are_too_many() {
        assert_eq!(told("- - - - - a b c d e"), ["agents amended the spec 5 times since its approval"]);
    }

    #[test]
    fn one_agent_may_not_make_most_of_four() {
        assert_eq!(told("x x x -"), ["x made 3 of the 4 amendments of the spec"]);
        assert_eq!(told("x x x y -"), ["x made 3 of the 5 amendments of the spec"]);
        assert_eq!(told("x x x y y y").len(), 1, "half is not more than half, and six are too many");
    }

    #[test]
    fn an_agent_answers_an_event_that_is_there() {
        assert_eq!(told("x? -"), ["the amendment 0000000000 by x names no event that it answers"]);
        assert_eq!(told("- x!"), ["the amendment 0000000000 by x answers the event a-1, which is in no journal"]);
    }

    #[test]
    fn a_broken_history_blocks() {
        let history = History { broken: vec!["its chain does not follow".into()], amended: Vec::new() };
        let found = judge(&"jot".parse().unwrap(), &history);
        assert_eq!((found.len(), found[0].cap), (1, Verdict::Blocked));
        assert!(found[0].text.contains("its chain does not follow"), "{found:?}");
    }
}
