//! A value of a field, whatever the file's format.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Field {
    Text(String),
    /// As it is written, so that nothing is lost.
    Number(String),
    Bool(bool),
    List(Vec<String>),
    /// Something that has no place in a catalog, by name.
    Unfit(&'static str),
}

/// A row's fields by their names, in the file's order. Empty ones are left
/// out.
pub(super) type Fields = Vec<(String, Field)>;

/// Takes the first of those names that is there.
pub(super) fn take(fields: &mut Fields, names: &[&str]) -> Option<Field> {
    let at = names
        .iter()
        .find_map(|wanted| fields.iter().position(|(name, _)| name == wanted))?;
    Some(fields.remove(at).1)
}
