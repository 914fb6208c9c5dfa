//! In what two versions of a spec differ: by requirement, slice and check, in words.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Spec,
    parts::{List, Parts, Place, take_apart},
};
use crate::{
    base::{SliceId, text},
    checks::{self, model::Check},
};

/// One piece in which two versions differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which.
    pub place: Place,
    /// What it was; none if it is new.
    pub before: Option<Value>,
    /// What it is; none if it is gone.
    pub after: Option<Value>,
}

/// Every difference, in the order of places. What belongs to a slice that is new or gone is told with that slice, and an
/// order only where pieces that both versions have changed places.
pub fn changes(before: &Spec, after: &Spec) -> Vec<Change> {
    between(&take_apart(before), &take_apart(after))
}

/// The same between pieces.
pub fn between(before: &Parts, after: &Parts) -> Vec<Change> {
    let places: BTreeSet<&Place> = before.keys().chain(after.keys()).collect();
    let one_sided = |id: &SliceId| {
        let place = Place::Slice(id.clone());
        before.contains_key(&place) != after.contains_key(&place)
    };
    let told = |place: &Place| match place {
        Place::SliceField(id, _) | Place::Check(Some(id), _) | Place::File(id, ..) => !one_sided(id),
        Place::Order(List::Checks(id)) if one_sided(id) => false,
        Place::Order(_) => reordered(before.get(place), after.get(place)),
        _ => true,
    };
    let differ = places.into_iter().filter(|p| before.get(p) != after.get(p) && told(p));
    differ.map(|p| Change { place: p.clone(), before: before.get(p).cloned(), after: after.get(p).cloned() }).collect()
}

/// Whether what two lists have in common stands in another order.
fn reordered(before: Option<&Value>, after: Option<&Value>) -> bool {
    let list = |v: Option<&Value>| v.and_then(Value::as_array).cloned().unwrap_or_default();
    let (before, after) = (list(before), list(after));
    let common = |a: &[Value], b: &[Value]| a.iter().filter(|x| b.contains(x)).cloned().collect::<Vec<_>>();
    common(&before, &after) != common(&after, &before)
}

/// Whether a line tells what was or what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// What was.
    Minus,
    /// What is.
    Plus,
}

impl Change {
    /// The piece and what happened to it, without what it says: "check `x` of slice `y` is new".
    pub fn head(&self) -> String {
        let what = match (&self.place, &self.before, &self.after) {
            // A list that was empty is no new thing.
            (Place::Field(_) | Place::SliceField(..) | Place::Order(_), ..) => "",
            (_, None, _) => " is new",
            (_, _, None) => " is gone",
            _ => "",
        };
        format!("{}{what}", self.place)
    }

    /// What it said and says, one line each.
    pub fn lines(&self) -> Vec<(Sign, String)> {
        let (before, after) = (self.said(self.before.as_ref()), self.said(self.after.as_ref()));
        let minus = before.iter().filter(|l| !after.contains(l)).map(|l| (Sign::Minus, l.clone()));
        let plus = after.iter().filter(|l| !before.contains(l)).map(|l| (Sign::Plus, l.clone()));
        let mut out: Vec<_> = minus.chain(plus).collect();
        if out.is_empty() {
            // The same in words, or the same pieces in another order.
            let whole = |v: &Option<Value>| v.as_ref().map(|v| text::one_line(&v.to_string(), 400));
            out.extend(whole(&self.before).map(|l| (Sign::Minus, l)));
            out.extend(whole(&self.after).map(|l| (Sign::Plus, l)));
        }
        out
    }

    /// All of it in one line.
    pub fn sentence(&self) -> String {
        let sign = |s: &Sign| if *s == Sign::Minus { "-" } else { "+" };
        let lines: Vec<String> = self.lines().iter().map(|(s, l)| format!("{} {l}", sign(s))).collect();
        text::one_line(&format!("{}: {}", self.head(), lines.join("; ")), 400)
    }

    /// What a piece says, in lines that can be compared.
    fn said(&self, value: Option<&Value>) -> Vec<String> {
        let Some(value) = value else { return Vec::new() };
        match (&self.place, value) {
            (Place::Check(..), value) => match serde_json::from_value::<Check>(value.clone()) {
                Ok(check) => {
                    let mut lines = vec![checks::sentence(&check)];
                    // What the sentence leaves out.
                    let kept = |k: &&String| ["gate", "proves", "files", "timeout_s", "slices"].contains(&k.as_str());
                    let object = value.as_object();
                    let more = object.into_iter().flat_map(|o| o.keys().filter(kept).map(|k| (k, &o[k.as_str()])));
                    lines.extend(more.map(|(k, v)| format!("{}: {}", spaced(k), words(v))));
                    lines
                }
                Err(_) => vec![words(value)],
            },
            (Place::File(..), value) => vec![words(value.get("sha256").unwrap_or(value))],
            (Place::Order(_), value) => vec![words(value)],
            (Place::Field("intent"), Value::String(s)) => {
                s.lines().filter(|l| !l.trim().is_empty()).map(|l| text::one_line(l, 400)).collect()
            }
            (_, Value::Array(list)) => list.iter().map(words).collect(),
            (_, Value::Object(map)) => {
                // A list inside is told piece by piece, so that only those that differ are seen.
                let pieces = |v: &Value| v.as_array().map_or_else(|| vec![words(v)], |l| l.iter().map(words).collect());
                map.iter()
                    .flat_map(|(k, v)| pieces(v).into_iter().map(move |l| format!("{}: {l}", spaced(k))))
                    .collect()
            }
            (_, value) => vec![words(value)],
        }
    }
}

/// A value as a person would say it, in one line.
fn words(value: &Value) -> String {
    fn all(value: &Value) -> String {
        match value {
            Value::String(s) => s.clone(),
            Value::Array(list) => list.iter().map(all).collect::<Vec<_>>().join(" "),
            Value::Object(map) => {
                map.iter().map(|(k, v)| format!("{} {}", spaced(k), all(v))).collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        }
    }
    text::one_line(&all(value), 400)
}

fn spaced(key: &str) -> String {
    key.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Spec {
        serde_json::from_str(include_str!("../../../tests/all-kinds.json")).unwrap()
    }

    #[test]
    fn differences_are_told_by_piece() {
        let before = all();
        assert_eq!(changes(&before, &before), []);
        let mut after = before.clone();
        after.requirements[0].text = "Something else.".into();
        let gone = after.slices.pop().unwrap();
        after.slices[0].tasks.push("Do more.".into());
        after.slices[0].checks[0].timeout_s = Some(7);
        let told: Vec<String> = changes(&before, &after).iter().map(Change::sentence).collect();
        let has = |start: &str, end: &str| told.iter().any(|t| t.starts_with(start) && t.ends_with(end));
        let first = format!("requirement {}: - ", before.requirements[0].id);
        assert!(has(&first, "; + Something else."), "{told:#?}");
        assert!(has(&format!("slice `{}` is gone: - {}", gone.id, gone.title), ""), "{told:#?}");
        assert!(has("tasks of slice", ": + Do more."), "{told:#?}");
        assert!(has("check `", "+ timeout s: 7"), "{told:#?}");
        assert!(!told.iter().any(|t| t.starts_with("order")), "{told:#?}");
    }

    #[test]
    fn only_a_moved_piece_is_a_changed_order() {
        let before = all();
        let mut after = before.clone();
        after.requirements.swap(0, 1);
        let places: Vec<Place> = changes(&before, &after).into_iter().map(|c| c.place).collect();
        assert_eq!(places, [Place::Order(List::Requirements)]);
    }
}
