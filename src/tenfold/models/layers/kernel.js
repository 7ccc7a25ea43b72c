"use strict";
OPERATORS.Exp = ([x]) => map(x, Math.exp);
