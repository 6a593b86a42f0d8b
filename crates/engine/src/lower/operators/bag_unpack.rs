//! `evaluate bag_unpack`: a column for each member of a bag. Which members there are is known by now (`crate::discover`).

use datafusion::logical_expr::Expr;
use taffrail_kql::bound::{ExprKind, OperatorArg, Rel};

use crate::error::LowerError;
use crate::functions::{self, PathStepLowered};
use crate::lower::expand::converted;
use crate::lower::lowered::{column, name};
use crate::lower::{Lowered, Lowering};
use crate::plugins::BagUnpack;

impl Lowering {
    pub(super) fn bag_unpack(&self, rel: &Rel, input: &Rel, args: &[OperatorArg]) -> Result<Lowered, LowerError> {
        let unpack = BagUnpack::new(args)?;
        let source = match unpack.bag.kind {
            ExprKind::Column(id) => Some(id),
            _ => None,
        };
        let rows = self.rel(input)?;
        let bag = self.expr(unpack.bag)?;
        let mut outputs: Vec<(String, Expr)> = Vec::new();
        for item in &rel.columns {
            let of_input = input
                .columns
                .iter()
                .find(|column| column.name == item.name && Some(column.id) != source);
            let expr = match (of_input, item.name.strip_prefix(&unpack.prefix)) {
                (Some(known), _) => functions::cast(column(name(known.id)), known.ty, item.ty),
                (None, Some(key)) => {
                    let member = functions::path(bag.clone(), vec![PathStepLowered::Key(key.to_owned())]);
                    converted(member, item.ty)?
                }
                (None, None) => functions::null(item.ty),
            };
            outputs.push((name(item.id), expr));
        }
        rows.select(outputs, || self.fresh('h'))
    }
}
