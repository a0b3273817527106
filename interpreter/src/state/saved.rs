//! Parts of a state as `serde` writes and reads them, where that is not as they are.

/// Aliases as pairs: their names need not be text, which the keys of some formats must be.
pub(super) mod pairs {
    use bstr::BString;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::super::Aliases;

    pub(in super::super) fn serialize<S: Serializer>(aliases: &Aliases, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(aliases)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Aliases, D::Error> {
        Ok(Vec::<(BString, BString)>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// Functions as places in the texts that define them, each text once.
pub(super) mod functions {
    use std::{collections::BTreeMap, sync::Arc};

    use bstr::BString;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::super::{Aliases, Function};
    use crate::{Source, Span, parse, syntax::visit::definitions_in};

    #[derive(Default, Serialize, Deserialize)]
    struct Saved {
        /// Names and texts.
        texts: Vec<(String, BString)>,
        functions: Vec<SavedFunction>,
    }

    #[derive(Serialize, Deserialize)]
    struct SavedFunction {
        /// Its index among the texts.
        text: usize,
        span: Span,
        #[serde(with = "super::pairs")]
        aliases: Aliases,
    }

    pub(in super::super) fn serialize<S: Serializer>(
        functions: &BTreeMap<String, Function>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut saved = Saved::default();
        for Function { definition, source, aliases, .. } in functions.values() {
            let text = (source.name().to_owned(), source.text().to_owned());
            let index = saved.texts.iter().position(|other| *other == text).unwrap_or_else(|| {
                saved.texts.push(text);
                saved.texts.len() - 1
            });
            saved.functions.push(SavedFunction {
                text: index,
                span: definition.span,
                aliases: Aliases::clone(aliases),
            });
        }
        saved.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<BTreeMap<String, Function>>, D::Error> {
        let saved = Saved::deserialize(deserializer)?;
        let scripts: Vec<_> =
            saved.texts.into_iter().map(|(name, text)| parse(Source::new(name, text)).script).collect();
        let mut functions = BTreeMap::new();
        for SavedFunction { text, span, aliases } in saved.functions {
            let script = scripts.get(text).ok_or_else(|| D::Error::custom("a function without a text"))?;
            let definition = definitions_in(&script.list).into_iter().find(|definition| definition.span == span);
            let definition =
                definition.ok_or_else(|| D::Error::custom("no function stands at its place in the text"))?;
            let (number, source) = (span.start, Arc::clone(&script.source));
            functions
                .insert(definition.name.clone(), Function { definition, source, number, aliases: Arc::new(aliases) });
        }
        Ok(Arc::new(functions))
    }
}
