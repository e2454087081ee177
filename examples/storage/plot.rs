//! The picture: what is stored and what a request costs, as time goes by.

use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::Result;
use crate::args::Args;
use crate::report::Report;
use crate::run::{Sample, WARM_UP};
use crate::service::{LAG, PAGES_KEPT, REDELIVERY};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (860, 640);
/// The picture brings its own background, so it is the same on a light and on a dark page.
const PAPER: RGBColor = RGBColor(253, 253, 252);
const INK: RGBColor = RGBColor(51, 51, 51);
const FAINT: RGBColor = RGBColor(222, 222, 222);
const WITH: RGBColor = RGBColor(0, 104, 181);
const WITHOUT: RGBColor = RGBColor(230, 121, 23);

/// One of the two charts.
struct Chart {
    name: &'static str,
    figure: fn(&Sample) -> f64,
    x_name: &'static str,
    has_legend: bool,
}

/// Draws both charts into one file.
pub(crate) fn draw(report: &Report<'_>, path: &Path) -> Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&PAPER)?;
    let Args { rate, .. } = report.args;
    let (lag, window) = (LAG.as_secs(), REDELIVERY.as_secs());
    let caption = format!(
        "{rate} requests a second on a hot key and {PAGES_KEPT} cold ones; lag {lag} s, redelivery window {window} s"
    );
    let charts = root.margin(10, 0, 0, 8).titled(&caption, text(19))?;
    let (above, below) = charts.split_vertically(charts.dim_in_pixel().1 * 11 / 20);
    let stored = Chart {
        name: "stored, MB",
        figure: |sample| sample.bytes.total() as f64 / 1e6,
        x_name: "",
        has_legend: true,
    };
    stored.draw(report, &above)?;
    let cost = Chart {
        name: "round trips a request",
        figure: |sample| sample.cost,
        x_name: "minutes of virtual time since the end of the warm-up",
        has_legend: false,
    };
    cost.draw(report, &below)?;
    Ok(root.present()?)
}

impl Chart {
    fn draw(&self, report: &Report<'_>, area: &Area<'_>) -> Result<()> {
        let (minutes, figures) = self.ranges(report);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(minutes.clone(), figures.clone())?;
        let warm_up = [(minutes.start, figures.start), (0.0, figures.end)];
        chart.draw_series([Rectangle::new(warm_up, FAINT.mix(0.4).filled())])?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .label_style(text(17))
            .axis_desc_style(text(18))
            .x_desc(self.x_name)
            .y_desc(self.name)
            .x_labels(14)
            .y_labels(6)
            .x_label_formatter(&|minutes| format!("{minutes:.0}"))
            .y_label_formatter(&|figure| format!("{figure}"))
            .draw()?;
        let curves = [
            ("without the garbage collector", &report.without, WITHOUT.stroke_width(5)),
            ("with the garbage collector", &report.with, WITH.stroke_width(2)),
        ];
        for (name, samples, style) in curves {
            let points = samples.iter().map(|sample| (sample.minutes, (self.figure)(sample)));
            chart
                .draw_series(LineSeries::new(points, style))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 28, y)], style));
        }
        if self.has_legend {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperLeft)
                .margin(16)
                .legend_area_size(36)
                .label_font(text(18))
                .draw()?;
        }
        Ok(())
    }

    /// All of both runs, the figures from zero.
    fn ranges(&self, report: &Report<'_>) -> (Range<f64>, Range<f64>) {
        let samples = || report.with.iter().chain(&report.without);
        let end = samples().map(|sample| sample.minutes).fold(0.0, f64::max);
        let most = samples().map(self.figure).fold(0.0, f64::max);
        (-WARM_UP.as_secs_f64() / 60.0..end, 0.0..most * 1.1)
    }
}

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}
