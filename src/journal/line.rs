//! An event as one line of JSON (RFC 8259), its keys always in the same order:
//! `v id seq lamport ts prev kind slice? gen? attempt? data`.
//!
//! Reading is strict: a key that is unknown, missing, doubled or out of order, an unknown kind and a wrong type are
//! errors. So two readers never see two events in one line.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error as _, IntoDeserializer, MapAccess, Visitor},
    ser::{Error as _, SerializeMap},
};

use crate::{
    base::json::{self, Limits},
    journal::event::{Event, Fact, Kind},
};

/// The version of the format.
pub const VERSION: u32 = 1;

/// The JSON Schema of an event (draft 2020-12).
pub const SCHEMA: &str = include_str!("../../schemas/event.json");

/// The line of an event, without a newline.
pub fn encode(event: &Event) -> Result<String, json::Error> {
    Ok(serde_json::to_string(event)?)
}

/// The event of a line without its newline.
pub fn decode(line: &[u8]) -> Result<Event, json::Error> {
    // The types bound the depth and refuse doubled keys. What they cannot see is an integer beyond ±(2^53−1); such a
    // line, and every bad one, is read by the strict reader, which says what is wrong.
    if line.len() <= Limits::LINE.size
        && !has_long_number(line)
        && let Ok(event) = serde_json::from_slice(line)
    {
        return Ok(event);
    }
    json::read(line, Limits::LINE)
}

/// Whether 16 digits follow each other anywhere: every integer beyond ±(2^53−1) has as many.
fn has_long_number(line: &[u8]) -> bool {
    let mut run = 0;
    line.iter().any(|b| {
        run = if b.is_ascii_digit() { run + 1 } else { 0 };
        run >= 16
    })
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let kind = serde_json::to_value(&self.fact.kind).map_err(S::Error::custom)?;
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("v", &self.v)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("lamport", &self.lamport)?;
        map.serialize_entry("ts", &self.ts)?;
        map.serialize_entry("prev", &self.prev)?;
        map.serialize_entry("kind", self.fact.kind.name())?;
        if let Some(slice) = &self.fact.slice {
            map.serialize_entry("slice", slice)?;
        }
        if let Some(generation) = &self.fact.r#gen {
            map.serialize_entry("gen", generation)?;
        }
        if let Some(attempt) = &self.fact.attempt {
            map.serialize_entry("attempt", attempt)?;
        }
        map.serialize_entry("data", &kind["data"])?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Event, D::Error> {
        d.deserialize_map(Lines)
    }
}

struct Lines;

impl<'de> Visitor<'de> for Lines {
    type Value = Event;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        let mut keys = Keys { map: &mut map, next: None };
        let v = keys.must("v")?;
        if v != VERSION {
            return Err(A::Error::custom(format!(
                "version {v} of the format, and this program knows version {VERSION}"
            )));
        }
        let (id, seq, lamport) = (keys.must("id")?, keys.must("seq")?, keys.must("lamport")?);
        let (ts, prev) = (keys.must("ts")?, keys.must("prev")?);
        let kind: Cow<'de, str> = keys.must("kind")?;
        let (slice, r#gen, attempt) = (keys.may("slice")?, keys.may("gen")?, keys.may("attempt")?);
        keys.expect("data")?;
        let kind = Kind::deserialize(Tagged { kind: &kind, map: &mut map })?;
        if let Some(key) = map.next_key::<Cow<'de, str>>()? {
            return Err(A::Error::custom(format!("the key {:?} does not belong there", cut(&key))));
        }
        Ok(Event { v, id, seq, lamport, ts, prev, fact: Fact { kind, slice, r#gen, attempt } })
    }
}

/// Keys in a fixed order, some of which may be left out.
struct Keys<'a, 'de, A> {
    map: &'a mut A,
    /// The key that was read and not yet wanted.
    next: Option<Cow<'de, str>>,
}

impl<'de, A: MapAccess<'de>> Keys<'_, 'de, A> {
    fn is_next(&mut self, key: &str) -> Result<bool, A::Error> {
        if self.next.is_none() {
            self.next = self.map.next_key()?;
        }
        Ok(self.next.as_deref() == Some(key))
    }

    fn expect(&mut self, key: &'static str) -> Result<(), A::Error> {
        if self.is_next(key)? {
            self.next = None;
            return Ok(());
        }
        Err(match &self.next {
            Some(other) => A::Error::custom(format!("the key {:?} stands where {key:?} must", cut(other))),
            None => A::Error::missing_field(key),
        })
    }

    fn must<T: Deserialize<'de>>(&mut self, key: &'static str) -> Result<T, A::Error> {
        self.expect(key)?;
        self.map.next_value()
    }

    fn may<T: Deserialize<'de>>(&mut self, key: &str) -> Result<Option<T>, A::Error> {
        if !self.is_next(key)? {
            return Ok(None);
        }
        self.next = None;
        self.map.next_value().map(Some)
    }
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A kind whose name is known and whose data is the next value of `map`, in the shape that [`Kind`] reads.
struct Tagged<'a, A> {
    kind: &'a str,
    map: &'a mut A,
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Tagged<'_, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(TaggedEntries { tagged: self, at: 0 })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct TaggedEntries<'a, A> {
    tagged: Tagged<'a, A>,
    at: usize,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for TaggedEntries<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(key) = ["kind", "data"].get(self.at).copied() else { return Ok(None) };
        self.at += 1;
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        match self.at {
            1 => seed.deserialize(self.tagged.kind.into_deserializer()),
            _ => self.tagged.map.next_value_seed(seed),
        }
    }
}

#[cfg(test)]
mod tests;
