// The parts of Vega that charts of reports use. Maps, forces, trees, regressions and clouds of words are left out, which
// saves a sixth of the size. Expressions are interpreted, since pages forbid eval.
import { transforms } from "vega-dataflow";
import * as encode from "vega-encode";
import * as basic from "vega-transforms";
import { extend } from "vega-util";
import * as view from "vega-view-transforms";

extend(transforms, basic, view, encode);

export { expressionInterpreter } from "vega-interpreter";
export { compile } from "vega-lite";
export { parse } from "vega-parser";
export { View } from "vega-view";
