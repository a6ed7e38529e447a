//! What a JSON line of an exchange consists of, from the field table.

use crate::exchange::Field;
use crate::line::MOST_MEMBERS;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::ops::Range;

pub enum Type {
    Text,
    Int,
    Float,
    Texts,
}

pub struct Member {
    /// A comma, the name in quotes, a colon.
    pub key: Vec<u8>,
    pub attribute: String,
    pub place: usize,
    pub of: Type,
    /// What it is of an exchange in native memory.
    pub field: Option<Field>,
}

pub struct Family {
    /// A comma, a quote, the prefix.
    pub key: Vec<u8>,
    pub place: usize,
    pub field: Option<Field>,
}

/// Members of an exchange in native memory, by place.
pub enum Part {
    One(usize),
    /// What all exchanges of a connection say: which members, and its number among such runs.
    Run(Range<usize>, usize),
}

pub struct Grammar {
    /// Up to the time.
    pub begin: Vec<u8>,
    pub members: Vec<Member>,
    pub parts: Vec<Part>,
    pub families: Vec<Family>,
    /// Members that say again what another one says, each with that one.
    pub again: Vec<(usize, usize)>,
    /// What an event costs in memory beside its text, at least.
    pub event_bytes: usize,
}

impl Grammar {
    /// `members` are name, attribute, place in the class and type, in the order of the line; `families` prefix, attribute and place.
    pub fn new(
        name: &str,
        members: Vec<(String, String, usize, String)>,
        families: Vec<(String, String, usize)>,
        event_bytes: usize,
    ) -> PyResult<Grammar> {
        let mut known: Vec<Member> = Vec::new();
        let mut again = Vec::new();
        for (name, attribute, place, of) in members {
            let of = match &*of {
                "string" => Type::Text,
                "int" => Type::Int,
                "float" => Type::Float,
                "string[]" => Type::Texts,
                _ => return Err(PyValueError::new_err(format!("{name} has the type {of}"))),
            };
            if let Some(first) = known.iter().position(|member| member.place == place) {
                again.push((known.len(), first));
            }
            known.push(Member {
                key: format!(",\"{name}\":").into_bytes(),
                field: Field::named(&attribute),
                attribute,
                place,
                of,
            });
        }
        if known.len() > MOST_MEMBERS {
            return Err(PyValueError::new_err("too many fields"));
        }
        let parts = parts(&known);
        let families = families.into_iter().map(|(prefix, attribute, place)| Family {
            key: format!(",\"{prefix}").into_bytes(),
            place,
            field: Field::named(&attribute),
        });
        Ok(Grammar {
            begin: format!("{{\"event.name\":\"{name}\",\"timestamp\":\"").into_bytes(),
            members: known,
            parts,
            families: families.collect(),
            again,
            event_bytes,
        })
    }
}

fn parts(members: &[Member]) -> Vec<Part> {
    let (mut found, mut runs) = (Vec::new(), 0);
    for (place, member) in members.iter().enumerate() {
        match found.last_mut() {
            _ if !member.field.is_some_and(Field::of_connection) => found.push(Part::One(place)),
            Some(Part::Run(run, _)) => run.end = place + 1,
            _ => {
                found.push(Part::Run(place..place + 1, runs));
                runs += 1;
            }
        }
    }
    found
}
