//! Conversions between units of measure: `convert_length(1.2, 'Foot', 'Meter')`. A unit that is not known gives null.
//!
//! Source: Kusto Query Language reference, "Conversion of units"; BIPM, The International System of Units.

use arrow::array::ArrayRef;
use datafusion::common::Result;
use taffrail_kql::catalog::Param;
use taffrail_kql::types::Type;

use super::call::Call;
use super::declare::{Scalar, kernel, plain};

use Param::Is;

const PARAMS: &[Param] = &[Is(Type::Real), Is(Type::String), Is(Type::String)];

/// This file's functions.
pub static FUNCTIONS: &[Scalar] = &[
    kernel(
        "convert_angle",
        "convert_angle(value, from, to) → real",
        "An angle in another unit.",
        plain(PARAMS, Type::Real),
        angle,
    ),
    kernel(
        "convert_energy",
        "convert_energy(value, from, to) → real",
        "An energy in another unit.",
        plain(PARAMS, Type::Real),
        |c| by_factor(c, ENERGIES),
    ),
    kernel(
        "convert_force",
        "convert_force(value, from, to) → real",
        "A force in another unit.",
        plain(PARAMS, Type::Real),
        |c| by_factor(c, FORCES),
    ),
    kernel(
        "convert_length",
        "convert_length(value, from, to) → real",
        "A length in another unit.",
        plain(PARAMS, Type::Real),
        |c| by_factor(c, LENGTHS),
    ),
    kernel(
        "convert_mass",
        "convert_mass(value, from, to) → real",
        "A mass in another unit.",
        plain(PARAMS, Type::Real),
        |c| by_factor(c, MASSES),
    ),
    kernel(
        "convert_speed",
        "convert_speed(value, from, to) → real",
        "A speed in another unit.",
        plain(PARAMS, Type::Real),
        |c| by_factor(c, SPEEDS),
    ),
    kernel(
        "convert_volume",
        "convert_volume(value, from, to) → real",
        "A volume in another unit.",
        plain(PARAMS, Type::Real),
        |c| by_factor(c, VOLUMES),
    ),
    kernel(
        "convert_temperature",
        "convert_temperature(value, from, to) → real",
        "A temperature in another unit.",
        plain(PARAMS, Type::Real),
        temperature,
    ),
];

/// Units by how many of the base unit they are.
type Units = &'static [(&'static str, f64)];

const PI: f64 = std::f64::consts::PI;

const ANGLES: Units = &[
    ("Radian", 1.0),
    ("Centiradian", 1e-2),
    ("Deciradian", 1e-1),
    ("Milliradian", 1e-3),
    ("Microradian", 1e-6),
    ("Nanoradian", 1e-9),
    ("Degree", PI / 180.0),
    ("Millidegree", PI / 180.0 * 1e-3),
    ("Microdegree", PI / 180.0 * 1e-6),
    ("Nanodegree", PI / 180.0 * 1e-9),
    ("Arcminute", PI / 10_800.0),
    ("Arcsecond", PI / 648_000.0),
    ("Gradian", PI / 200.0),
    ("NatoMil", PI / 3200.0),
    ("Revolution", 2.0 * PI),
];

const ENERGIES: Units = &[
    ("Joule", 1.0),
    ("Kilojoule", 1e3),
    ("Megajoule", 1e6),
    ("Gigajoule", 1e9),
    ("Terajoule", 1e12),
    ("Petajoule", 1e15),
    ("Millijoule", 1e-3),
    ("Calorie", 4.184),
    ("Kilocalorie", 4184.0),
    ("Megacalorie", 4.184e6),
    ("WattHour", 3600.0),
    ("KilowattHour", 3.6e6),
    ("MegawattHour", 3.6e9),
    ("GigawattHour", 3.6e12),
    ("TerawattHour", 3.6e15),
    ("WattDay", 86_400.0),
    ("KilowattDay", 8.64e7),
    ("MegawattDay", 8.64e10),
    ("GigawattDay", 8.64e13),
    ("TerawattDay", 8.64e16),
    ("ElectronVolt", 1.602_176_634e-19),
    ("TeraelectronVolt", 1.602_176_634e-7),
    ("KiloelectronVolt", 1.602_176_634e-16),
    ("MegaelectronVolt", 1.602_176_634e-13),
    ("GigaelectronVolt", 1.602_176_634e-10),
    ("Erg", 1e-7),
    ("BritishThermalUnit", 1_055.055_852_62),
    ("KilobritishThermalUnit", 1_055_055.852_62),
    ("MegabritishThermalUnit", 1_055_055_852.62),
    ("GigabritishThermalUnit", 1_055_055_852_620.0),
    ("ThermEc", 1.055_055_852_62e8),
    ("DecathermEc", 1.055_055_852_62e9),
    ("ThermImperial", 1.055_055_852_573_48e8),
    ("DecathermImperial", 1.055_055_852_573_48e9),
    ("ThermUs", 1.054_804e8),
    ("DecathermUs", 1.054_804e9),
    ("FootPound", 1.355_817_948_331_400_4),
    ("HorsepowerHour", 2.684_519_537_696_172_7e6),
];

const FORCES: Units = &[
    ("Newton", 1.0),
    ("Decanewton", 10.0),
    ("Micronewton", 1e-6),
    ("Millinewton", 1e-3),
    ("Kilonewton", 1e3),
    ("Meganewton", 1e6),
    ("Dyn", 1e-5),
    ("KilogramForce", 9.806_65),
    ("KiloPond", 9.806_65),
    ("TonneForce", 9_806.65),
    ("PoundForce", 4.448_221_615_260_5),
    ("KilopoundForce", 4_448.221_615_260_5),
    ("OunceForce", 0.278_013_850_953_781_25),
    ("Poundal", 0.138_254_954_376),
    ("ShortTonForce", 8_896.443_230_521),
];

const LENGTHS: Units = &[
    ("Meter", 1.0),
    ("Kilometer", 1e3),
    ("Hectometer", 100.0),
    ("Decameter", 10.0),
    ("Decimeter", 0.1),
    ("Centimeter", 1e-2),
    ("Millimeter", 1e-3),
    ("Micrometer", 1e-6),
    ("Nanometer", 1e-9),
    ("Angstrom", 1e-10),
    ("Inch", 0.0254),
    ("Foot", 0.3048),
    ("Yard", 0.9144),
    ("Mile", 1_609.344),
    ("NauticalMile", 1852.0),
    ("Fathom", 1.8288),
    ("Chain", 20.1168),
    ("Hand", 0.1016),
    ("Mil", 2.54e-5),
    ("Microinch", 2.54e-8),
    ("Kilofoot", 304.8),
    ("UsSurveyFoot", 1200.0 / 3937.0),
    ("AstronomicalUnit", 1.495_978_707e11),
    ("LightYear", 9.460_730_472_580_8e15),
    ("Parsec", 3.085_677_581_491_367e16),
    ("KilolightYear", 9.460_730_472_580_8e18),
    ("MegalightYear", 9.460_730_472_580_8e21),
    ("Kiloparsec", 3.085_677_581_491_367e19),
    ("Megaparsec", 3.085_677_581_491_367e22),
    ("DataMile", 1_828.8),
    ("Shackle", 27.432),
    ("DtpPoint", 0.0254 / 72.0),
    ("DtpPica", 0.0254 / 6.0),
    ("PrinterPoint", 0.0254 / 72.27),
    ("PrinterPica", 12.0 * 0.0254 / 72.27),
    ("Twip", 0.0254 / 1440.0),
    ("SolarRadius", 6.957e8),
];

const MASSES: Units = &[
    ("Gram", 1e-3),
    ("Kilogram", 1.0),
    ("Hectogram", 0.1),
    ("Decagram", 1e-2),
    ("Decigram", 1e-4),
    ("Centigram", 1e-5),
    ("Milligram", 1e-6),
    ("Microgram", 1e-9),
    ("Nanogram", 1e-12),
    ("Tonne", 1e3),
    ("Kilotonne", 1e6),
    ("Megatonne", 1e9),
    ("Pound", 0.453_592_37),
    ("Kilopound", 453.592_37),
    ("Megapound", 453_592.37),
    ("Ounce", 0.028_349_523_125),
    ("Stone", 6.350_293_18),
    ("ShortTon", 907.184_74),
    ("LongTon", 1_016.046_908_8),
    ("ShortHundredweight", 45.359_237),
    ("LongHundredweight", 50.802_345_44),
    ("Grain", 6.479_891e-5),
    ("Slug", 14.593_902_937_206),
    ("EarthMass", 5.972_2e24),
    ("SolarMass", 1.988_92e30),
];

const SPEEDS: Units = &[
    ("MeterPerSecond", 1.0),
    ("MeterPerMinute", 1.0 / 60.0),
    ("MeterPerHour", 1.0 / 3600.0),
    ("KilometerPerSecond", 1e3),
    ("KilometerPerMinute", 1e3 / 60.0),
    ("KilometerPerHour", 1e3 / 3600.0),
    ("CentimeterPerSecond", 1e-2),
    ("CentimeterPerMinute", 1e-2 / 60.0),
    ("CentimeterPerHour", 1e-2 / 3600.0),
    ("DecimeterPerSecond", 0.1),
    ("DecimeterPerMinute", 0.1 / 60.0),
    ("MillimeterPerSecond", 1e-3),
    ("MillimeterPerMinute", 1e-3 / 60.0),
    ("MillimeterPerHour", 1e-3 / 3600.0),
    ("MicrometerPerSecond", 1e-6),
    ("MicrometerPerMinute", 1e-6 / 60.0),
    ("NanometerPerSecond", 1e-9),
    ("FootPerSecond", 0.3048),
    ("FootPerMinute", 0.3048 / 60.0),
    ("FootPerHour", 0.3048 / 3600.0),
    ("InchPerSecond", 0.0254),
    ("InchPerMinute", 0.0254 / 60.0),
    ("InchPerHour", 0.0254 / 3600.0),
    ("YardPerSecond", 0.9144),
    ("YardPerMinute", 0.9144 / 60.0),
    ("YardPerHour", 0.9144 / 3600.0),
    ("UsSurveyFootPerSecond", 1200.0 / 3937.0),
    ("UsSurveyFootPerMinute", 1200.0 / 3937.0 / 60.0),
    ("UsSurveyFootPerHour", 1200.0 / 3937.0 / 3600.0),
    ("MilePerHour", 0.447_04),
    ("Knot", 1852.0 / 3600.0),
];

const VOLUMES: Units = &[
    ("Liter", 1e-3),
    ("Hectoliter", 0.1),
    ("Deciliter", 1e-4),
    ("Centiliter", 1e-5),
    ("Milliliter", 1e-6),
    ("Microliter", 1e-9),
    ("Kiloliter", 1.0),
    ("Megaliter", 1e3),
    ("CubicMeter", 1.0),
    ("CubicKilometer", 1e9),
    ("CubicHectometer", 1e6),
    ("CubicDecimeter", 1e-3),
    ("CubicCentimeter", 1e-6),
    ("CubicMillimeter", 1e-9),
    ("CubicMicrometer", 1e-18),
    ("CubicInch", 1.638_706_4e-5),
    ("CubicFoot", 0.028_316_846_592),
    ("CubicYard", 0.764_554_857_984),
    ("CubicMile", 4.168_181_825_440_58e9),
    ("UsGallon", 3.785_411_784e-3),
    ("ImperialGallon", 4.546_09e-3),
    ("UsQuart", 9.463_529_46e-4),
    ("UsPint", 4.731_764_73e-4),
    ("UsOunce", 2.957_352_956_25e-5),
    ("ImperialOunce", 2.841_306_25e-5),
    ("ImperialPint", 5.682_612_5e-4),
    ("ImperialQuart", 1.136_522_5e-3),
    ("UsTablespoon", 1.478_676_478_125e-5),
    ("UsTeaspoon", 4.928_921_593_75e-6),
    ("UsCustomaryCup", 2.365_882_365e-4),
    ("OilBarrel", 0.158_987_294_928),
    ("MetricCup", 2.5e-4),
    ("MetricTeaspoon", 5e-6),
    // The reference's example shows this many, not 43,560 cubic feet.
    ("AcreFoot", 1.0 / 0.000_810_714),
    ("AuTablespoon", 2e-5),
    ("UkTablespoon", 1.5e-5),
    ("BoardFoot", 0.028_316_846_592 / 12.0),
    ("Decaliter", 1e-2),
    ("DeciusGallon", 3.785_411_784e-4),
    ("DecausGallon", 3.785_411_784e-2),
    ("HectousGallon", 0.378_541_178_4),
    ("KilousGallon", 3.785_411_784),
    ("MegausGallon", 3_785.411_784),
    ("KiloimperialGallon", 4.546_09),
    ("MegaimperialGallon", 4_546.09),
    ("HectocubicFoot", 2.831_684_659_2),
    ("KilocubicFoot", 28.316_846_592),
    ("MegacubicFoot", 28_316.846_592),
    ("HectocubicMeter", 100.0),
    ("KilocubicMeter", 1e3),
    ("ImperialBeerBarrel", 0.163_659_24),
    ("UsBeerBarrel", 0.117_347_765_304),
    ("UsLegalCup", 2.4e-4),
];

/// Temperatures: how many kelvin one degree is, and which temperature in kelvin zero degrees are.
const TEMPERATURES: &[(&str, f64, f64)] = &[
    ("Kelvin", 1.0, 0.0),
    ("DegreeCelsius", 1.0, 273.15),
    ("MillidegreeCelsius", 1e-3, 273.15),
    ("DegreeFahrenheit", 5.0 / 9.0, 459.67 * 5.0 / 9.0),
    ("DegreeRankine", 5.0 / 9.0, 0.0),
    ("DegreeDelisle", -2.0 / 3.0, 373.15),
    ("DegreeNewton", 100.0 / 33.0, 273.15),
    ("SolarTemperature", 5_778.0, 0.0),
    ("DegreeReaumur", 1.25, 273.15),
    ("DegreeRoemer", 40.0 / 21.0, 273.15 - 7.5 * 40.0 / 21.0),
];

fn by_factor(c: &Call<'_>, units: Units) -> Result<ArrayRef> {
    let (value, from, to) = (c.real(0)?, c.text(1)?, c.text(2)?);
    let factor = |name: &str| units.iter().find(|(known, _)| *known == name).map(|(_, factor)| *factor);
    c.reals(|i| Some(value.get(i)? * factor(from.get(i)?)? / factor(to.get(i)?)?))
}

/// A tilt is a sine; the others are multiples of each other.
fn angle(c: &Call<'_>) -> Result<ArrayRef> {
    let (value, from, to) = (c.real(0)?, c.text(1)?, c.text(2)?);
    let factor = |name: &str| ANGLES.iter().find(|(known, _)| *known == name).map(|(_, factor)| *factor);
    c.reals(|i| {
        let (value, from, to) = (value.get(i)?, from.get(i)?, to.get(i)?);
        let radians = if from == "Tilt" { value.asin() } else { value * factor(from)? };
        if to == "Tilt" {
            Some(radians.sin())
        } else {
            Some(radians / factor(to)?)
        }
    })
}

fn temperature(c: &Call<'_>) -> Result<ArrayRef> {
    let (value, from, to) = (c.real(0)?, c.text(1)?, c.text(2)?);
    let scale = |name: &str| {
        TEMPERATURES
            .iter()
            .find(|(known, _, _)| *known == name)
            .map(|(_, degree, zero)| (*degree, *zero))
    };
    c.reals(|i| {
        let ((degree, zero), (to_degree, to_zero)) = (scale(from.get(i)?)?, scale(to.get(i)?)?);
        Some((value.get(i)? * degree + zero - to_zero) / to_degree)
    })
}
