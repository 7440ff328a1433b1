//! The components of a `tokenizer.json` that come after the model.

use super::components::{Slot, byte_level, metaspace, pattern};
use crate::decode::Decoder;
use crate::error::Result;
use crate::formats::node::Node;
use crate::ids::TokenId;
use crate::postprocess::{PostProcessor, TemplatePiece, TemplateProcessing, TemplateSpecial};

const POST_PROCESSORS: [&str; 5] =
    ["BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"];
const DECODERS: [&str; 10] = [
    "BPEDecoder",
    "ByteFallback",
    "ByteLevel",
    "CTC",
    "Fuse",
    "Metaspace",
    "Replace",
    "Sequence",
    "Strip",
    "WordPiece",
];

const POST_PROCESSOR: Slot = Slot {
    name: "post_processor",
    known: &POST_PROCESSORS,
    untyped: &[
        ("RobertaProcessing", &["sep", "cls", "trim_offsets", "add_prefix_space"]),
        ("BertProcessing", &["sep", "cls"]),
        ("TemplateProcessing", &["single", "pair", "special_tokens"]),
    ],
};
const DECODER: Slot = Slot {
    name: "decoder",
    known: &DECODERS,
    untyped: &[
        ("BPEDecoder", &["suffix"]),
        ("WordPiece", &["prefix", "cleanup"]),
        ("CTC", &["pad_token", "word_delimiter_token", "cleanup"]),
        ("Replace", &["pattern", "content"]),
        ("Strip", &["content", "start", "stop"]),
    ],
};

pub(in crate::formats) fn post_processor(node: &Node<'_>) -> Result<PostProcessor> {
    let processor = any_post_processor(node)?;
    processor.check().map_err(|error| node.adopt(error))?;
    Ok(processor)
}

fn any_post_processor(node: &Node<'_>) -> Result<PostProcessor> {
    Ok(match post_processor_kind(node)? {
        "BertProcessing" => PostProcessor::Bert {
            sep: token_and_id(&node.field("sep")?)?,
            cls: token_and_id(&node.field("cls")?)?,
        },
        "RobertaProcessing" => PostProcessor::Roberta {
            sep: token_and_id(&node.field("sep")?)?,
            cls: token_and_id(&node.field("cls")?)?,
            trim_offsets: node.field("trim_offsets")?.boolean()?,
            add_prefix_space: node.field("add_prefix_space")?.boolean()?,
        },
        "ByteLevel" => {
            let (add_prefix_space, trim_offsets, use_regex) = byte_level(node)?;
            PostProcessor::ByteLevel { add_prefix_space, trim_offsets, use_regex }
        }
        "TemplateProcessing" => PostProcessor::Template(template(node)?),
        "Sequence" => {
            let members = node.field("processors")?.items()?;
            let members = members.iter().map(any_post_processor).collect::<Result<_>>()?;
            PostProcessor::Sequence(members)
        }
        kind => return POST_PROCESSOR.unread(node, kind),
    })
}

/// The type of a post-processor. The reference library goes by the fields and by their order below,
/// and reads the type of two kinds only: a `BertProcessing` with the two fields of `RoBERTa`'s is one.
fn post_processor_kind<'a>(node: &Node<'a>) -> Result<&'a str> {
    let kind = POST_PROCESSOR.kind(node)?;
    let (_, roberta) = POST_PROCESSOR.untyped[0];
    let has = |fields: &[&str]| -> Result<bool> {
        fields.iter().try_fold(true, |all, field| Ok(all && node.optional(field)?.is_some()))
    };
    if has(roberta)? {
        return Ok("RobertaProcessing");
    }
    if kind != "RobertaProcessing" && has(&["sep", "cls"])? {
        return Ok("BertProcessing");
    }
    Ok(kind)
}

fn token_and_id(node: &Node<'_>) -> Result<(String, TokenId)> {
    match node.items()?.as_slice() {
        [token, id] => Ok((token.string()?.to_owned(), id.id()?)),
        _ => Err(node.fail("expected a list of a token and its id")),
    }
}

fn template(node: &Node<'_>) -> Result<TemplateProcessing> {
    let pieces = |key| -> Result<Vec<TemplatePiece>> {
        node.field(key)?.items()?.iter().map(template_piece).collect()
    };
    let special = |(name, special): (&str, Node<'_>)| {
        let ids = special.field("ids")?.items()?;
        let tokens = special.field("tokens")?.items()?;
        Ok(TemplateSpecial {
            name: name.to_owned(),
            id: special.field("id")?.string()?.to_owned(),
            ids: ids.iter().map(Node::id).collect::<Result<_>>()?,
            tokens: tokens.iter().map(|t| t.string().map(str::to_owned)).collect::<Result<_>>()?,
        })
    };
    let specials = node.field("special_tokens")?.fields()?;
    let specials = specials.into_iter().map(special).collect::<Result<_>>()?;
    TemplateProcessing::new(pieces("single")?, pieces("pair")?, specials)
        .map_err(|error| node.adopt(error))
}

fn template_piece(node: &Node<'_>) -> Result<TemplatePiece> {
    let (kind, piece) = node.variant()?;
    match kind {
        "Sequence" => Ok(TemplatePiece::Sequence {
            index: piece.field("id")?.choice(&[("A", 0), ("B", 1)])?,
            type_id: piece.field("type_id")?.u32()?,
        }),
        "SpecialToken" => Ok(TemplatePiece::Special {
            name: piece.field("id")?.string()?.to_owned(),
            type_id: piece.field("type_id")?.u32()?,
        }),
        _ => Err(node.fail("expected {\"Sequence\": ...} or {\"SpecialToken\": ...}")),
    }
}

pub(in crate::formats) fn decoder(node: &Node<'_>) -> Result<Decoder> {
    let decoder = any_decoder(node)?;
    decoder.check().map_err(|error| node.adopt(error))?;
    Ok(decoder)
}

fn any_decoder(node: &Node<'_>) -> Result<Decoder> {
    let string = |key: &str| node.field(key)?.string().map(str::to_owned);
    Ok(match DECODER.kind(node)? {
        "BPEDecoder" => Decoder::Bpe { suffix: string("suffix")? },
        "ByteFallback" => Decoder::ByteFallback,
        "ByteLevel" => {
            let (add_prefix_space, trim_offsets, use_regex) = byte_level(node)?;
            Decoder::ByteLevel { add_prefix_space, trim_offsets, use_regex }
        }
        "CTC" => Decoder::Ctc {
            pad_token: string("pad_token")?,
            word_delimiter_token: string("word_delimiter_token")?,
            cleanup: node.field("cleanup")?.boolean()?,
        },
        "Fuse" => Decoder::Fuse,
        "Metaspace" => {
            let (replacement, prepend, split) = metaspace(node)?;
            Decoder::Metaspace { replacement, prepend, split }
        }
        "Replace" => Decoder::Replace {
            pattern: pattern(&node.field("pattern")?)?,
            content: string("content")?,
        },
        "Sequence" => {
            let members = node.field("decoders")?.items()?;
            Decoder::Sequence(members.iter().map(any_decoder).collect::<Result<_>>()?)
        }
        "Strip" => Decoder::Strip {
            content: node.field("content")?.character()?,
            start: node.field("start")?.size()?,
            stop: node.field("stop")?.size()?,
        },
        "WordPiece" => Decoder::WordPiece {
            prefix: string("prefix")?,
            cleanup: node.field("cleanup")?.boolean()?,
        },
        kind => return DECODER.unread(node, kind),
    })
}
