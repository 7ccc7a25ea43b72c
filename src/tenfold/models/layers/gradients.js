"use strict";
OPERATORS.Sqrt = ([x]) => map(x, Math.sqrt);
